import { readFileSync } from "node:fs";
import { readCached, writeCached } from "./cache.ts";
import type { FoundAdapter } from "./runtime.ts";

/** How lavapipe of Mesa 25 is installed, from the systems that package it, by what /etc/os-release says. */
const PACKAGES: readonly { id: string; from: number; command: string }[] = [
  { id: "debian", from: 13, command: "apt install mesa-vulkan-drivers" },
  {
    id: "debian",
    from: 12,
    command:
      "apt install -t bookworm-backports mesa-vulkan-drivers, with bookworm-backports enabled",
  },
  { id: "ubuntu", from: 24.04, command: "apt install mesa-vulkan-drivers" },
  { id: "fedora", from: 42, command: "dnf install mesa-vulkan-drivers" },
  { id: "arch", from: 0, command: "pacman -S vulkan-swrast" },
];

/**
 * What would make a machine faster that computes on the embedded SwiftShader since it found nothing better. Where the
 * name of the system can be read, with the command.
 * @param release the text of /etc/os-release
 */
export function fasterSoftware(release: string | null): string {
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)`, "m").exec(release ?? "")?.[1];
  const version = Number(field("VERSION_ID") ?? 0);
  const found = PACKAGES.find(({ id, from }) => id === field("ID") && version >= from);
  // 110 and 330 ms for a training step of the embedded model: docs/performance.md
  return `Mesa 25's lavapipe would be about 3 times as fast here${found ? `: ${found.command}` : ""}`;
}

/** `fasterSoftware` of this machine, where it is true of it. */
export function fasterHere({ kind, isAsked }: FoundAdapter): string | undefined {
  if (kind !== "embedded-software" || isAsked || process.platform !== "linux") return undefined;
  let release: string | null = null;
  try {
    // Deno would ask the user for leave to read it
    if (!("Deno" in globalThis)) release = readFileSync("/etc/os-release", "utf8");
  } catch {}
  return fasterSoftware(release);
}

const SAID = "said-lavapipe";

/** `fasterHere` the first time it is asked for on a machine; nothing from then on. */
export function fasterOnce(found: FoundAdapter): string | undefined {
  const hint = fasterHere(found);
  if (!hint || readCached(SAID, String)) return undefined;
  writeCached(SAID, `${hint}\n`);
  return hint;
}
