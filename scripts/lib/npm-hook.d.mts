export function isHookOf(event: string, commandLines?: string[]): boolean;
