/** The reference of `2pm.yaml` as Markdown, written from the schema alone. @module */
import { configJsonSchema } from './schema.ts';

interface Schema {
  type?: string;
  format?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
}

export function configReference(): string {
  const rows = (schema: Schema, path: string): string[] =>
    Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
      const key = path === '' ? name : `${path}.${name}`;
      const choices = value.oneOf;
      if (choices !== undefined) return choices.flatMap((choice) => branch(choice, key));
      if (value.properties !== undefined) {
        return [
          ...(value.description === undefined ? [] : [row(key, 'section', '', value.description)]),
          ...rows(value, key),
        ];
      }
      const needed = schema.required?.includes(name) && value.const === undefined;
      return [row(key, kind(value), needed ? 'required' : fallback(value), value.description ?? '')];
    });
  // A choice is shown once for each driver, under the name that picks it.
  const branch = (choice: Schema, key: string): string[] => {
    const driver = String(choice.properties?.['driver']?.const);
    return rows(choice, key).map((text) => text.replace(`\`${key}.`, `\`${key}\` (${driver}) \`.`));
  };
  return [
    '# Configuration',
    '',
    'One file, `2pm.yaml`, in the directory of the node (`--dir`, else `TWOPM_DIR`, else `~/.2pm`). Unknown keys are errors.',
    'Written by `2pm config schema --markdown`; `2pm config show` prints the values in force.',
    '',
    '| key | value | default | |',
    '|---|---|---|---|',
    ...rows(configJsonSchema() as Schema, ''),
    '',
  ].join('\n');
}

const row = (key: string, value: string, byDefault: string, text: string) =>
  `| \`${key}\` | ${value} | ${byDefault} | ${text.replaceAll('|', '\\|')} |`;

function fallback({ default: value }: Schema): string {
  return value === undefined ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function kind(schema: Schema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(kind).join(' or ');
  if (schema.type === 'array') return `list of ${kind(schema.items ?? {})}`;
  if (schema.type === 'object') return 'object';
  if (schema.type === 'integer') return `${schema.minimum} to ${schema.maximum}`;
  return schema.format === 'uri' ? 'URL' : 'text';
}
