/** Texts of options → values. Each throws commander's error, which becomes a usage error with the option's name. @module */
import { InvalidArgumentError } from 'commander';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** `90s`, `15m`, `2h`, `1d`, or seconds without a unit. */
export function duration(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('write it like 90s, 15m, 2h or 1d.');
  return Number(match[1]) * SECONDS[(match[2] || 's') as keyof typeof SECONDS];
}

export interface Endpoint {
  host: string;
  port: number;
}

export function endpoint(text: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new InvalidArgumentError('write it like 127.0.0.1:7420 or [::1]:7420.');
  return { host: match[1] ?? match[2] ?? '', port };
}

/** `holder=0x…,acme`, repeated for several roles: node ids, or names of organisations. */
export function roles(text: string, before: Record<string, string[]> = {}): Record<string, string[]> {
  const [role, list, ...rest] = text.split('=');
  if (!role || !list || rest.length > 0) throw new InvalidArgumentError('write it like bank=0x… or bank=acme.');
  return { ...before, [role]: [...(before[role] ?? []), ...nodeNames(list)] };
}

/** `0x…,acme`: node ids, or names of organisations. */
export function nodeNames(text: string): string[] {
  const names = text.split(',').map((one) => one.trim());
  if (names.includes('')) throw new InvalidArgumentError('a name is empty; `2pm peers` lists all.');
  return names;
}

/** `role=3`, repeated for several roles. */
export function members(text: string, before: Record<string, number> = {}): Record<string, number> {
  const match = /^([a-z][a-zA-Z0-9_]*)=([1-9]\d?)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('write it like bank=3.');
  return { ...before, [match[1] as string]: Number(match[2]) };
}

/** `table=FILE[,table=FILE]`: the data of one holder, repeated for several. */
export function holder(text: string, before: Record<string, string>[] = []): Record<string, string>[] {
  const tables = text.split(',').map((one) => {
    const at = one.indexOf('=');
    if (at < 1 || at === one.length - 1) throw new InvalidArgumentError('write it like patients=north.csv.');
    return [one.slice(0, at), one.slice(at + 1)] as const;
  });
  return [...before, Object.fromEntries(tables)];
}
