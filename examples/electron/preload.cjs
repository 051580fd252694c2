const { contextBridge, ipcRenderer } = require("electron");

// The page gets these three functions and nothing of Node.
contextBridge.exposeInMainWorld("punie", {
  ask: (question) => ipcRenderer.send("ask", question),
  stop: () => ipcRenderer.send("stop"),
  onMessage: (listener) => ipcRenderer.on("engine", (_, message) => listener(message)),
});
