import { App } from "./app.tsx";
import { loadSources } from "./sources.tsx";

const app = new App(document.body);
void loadSources();
Object.assign(globalThis, { app }); // for those who look behind the page
