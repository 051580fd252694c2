export function checkFileLengths(root: string): { warnings: string[]; errors: string[] };
