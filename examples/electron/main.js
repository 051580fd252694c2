// The window and the model's process. The model runs in a utility process: this one drives all windows, and must not
// wait for anything.
import path from "node:path";
import { app, BrowserWindow, ipcMain, utilityProcess } from "electron";

function startEngine(window) {
  const engine = utilityProcess.fork(path.join(import.meta.dirname, "engine.js"), [], { serviceName: "punie" });
  engine.on("message", (message) => {
    if (!window.isDestroyed()) window.webContents.send("engine", message);
  });
  engine.on("exit", (code) => {
    if (!window.isDestroyed()) window.webContents.send("engine", { type: "exit", code });
  });
  return engine;
}

await app.whenReady();
const window = new BrowserWindow({
  webPreferences: { preload: path.join(import.meta.dirname, "preload.cjs") },
});
const engine = startEngine(window);
ipcMain.on("ask", (_, question) => engine.postMessage({ type: "ask", question: String(question) }));
ipcMain.on("stop", () => engine.postMessage({ type: "stop" }));
window.loadFile(path.join(import.meta.dirname, "index.html"));
app.on("window-all-closed", () => app.quit());
