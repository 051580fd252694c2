export function llamaPeer(options: {
  dir: string;
  llama?: string | undefined;
  install: boolean;
  variant?: string | undefined;
}): Promise<{ directory?: string; version?: string; missing?: string }>;
