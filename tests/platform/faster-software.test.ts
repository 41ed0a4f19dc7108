import { expect, test } from "bun:test";
import { fasterSoftware } from "../../beyond/platform/faster-software.ts";

const of = (id: string, version?: string) =>
  fasterSoftware(`PRETTY_NAME="x"\nID=${id}\n${version ? `VERSION_ID="${version}"\n` : ""}`);
const PLAIN = "Mesa 25's lavapipe would be about 3 times as fast here";

test("names the command of the system, where it packages Mesa 25", () => {
  expect(of("debian", "13")).toBe(`${PLAIN}: apt install mesa-vulkan-drivers`);
  expect(of("debian", "12")).toContain("-t bookworm-backports mesa-vulkan-drivers");
  expect(of("ubuntu", "24.04")).toEndWith(": apt install mesa-vulkan-drivers");
  expect(of("fedora", "42")).toEndWith(": dnf install mesa-vulkan-drivers");
  expect(of("arch")).toEndWith(": pacman -S vulkan-swrast");
});

test("no command where Mesa is older, or the system is not known", () => {
  for (const hint of [
    of("debian", "11"),
    of("ubuntu", "22.04"),
    of("nixos", "25.05"),
    fasterSoftware(null),
  ]) {
    expect(hint).toBe(PLAIN);
  }
});
