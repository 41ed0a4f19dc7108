import { App } from "./app.tsx";

const app = new App(document.body);
Object.assign(globalThis, { app }); // for those who look behind the page
