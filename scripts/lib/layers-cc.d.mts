export function checkNativeLayers(root: string): string[];
