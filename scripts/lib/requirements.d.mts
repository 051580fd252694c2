export function checkNode(version?: string): void;
export function checkPlatform(host?: { platform: string; arch: string; glibc?: string; darwin?: string }): void;
