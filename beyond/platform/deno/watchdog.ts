export { watched } from "../watchdog.ts";
