export function checkTypeScriptLayers(root: string): string[];
