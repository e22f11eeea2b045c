// The build: hashed names for everything that the page loads, and the API of a local back end while developing.
import process from "node:process";
import { defineConfig } from "vite";

const backend = process.env.FLEET_BACKEND ?? "http://127.0.0.1:8080";

export default defineConfig({
  server: { proxy: { "/api": backend, "/health": backend } },
  build: { target: "es2022" },
});
