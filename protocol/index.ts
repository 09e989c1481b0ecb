export * from "./spec";
export * from "./reasons";
export * from "./trainer";
export * from "./checkpoint";
export * from "./agent";
export * from "./frames";
export * from "./model-server";
export * from "./serving";
