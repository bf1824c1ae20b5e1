/** Text of `2pm.yaml` → typed configuration, or an error that names the line and the right name. @module */
import { NodeError } from '@2pm/core';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { ConfigFile, configJsonSchema } from './schema.ts';
import { nearest } from './suggest.ts';

type Path = readonly PropertyKey[];
export interface ConfigIssue {
  line: number | undefined;
  /** Dotted, empty for the file as a whole. */
  path: string;
  message: string;
  /** The right name, for a misspelt key. */
  suggestion?: string;
}

/** @throws {NodeError} `CONFIG_BAD_YAML`, `CONFIG_UNKNOWN_KEY`, `CONFIG_BAD_VALUE`: every issue in the message, by line. */
export function parseConfig(text: string, file: string): z.output<typeof ConfigFile> {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, logLevel: 'error' });
  const broken = document.errors[0];
  if (broken !== undefined) throw badYaml(`${file}:${counter.linePos(broken.pos[0]).line}: ${broken.message}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch {
    throw badYaml(`${file}: aliases are not allowed`);
  }
  const parsed = ConfigFile.safeParse(value ?? {});
  if (parsed.success) return parsed.data;

  const issues = parsed.error.issues.flatMap((issue) => explain(issue, [], document, counter));
  issues.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const unknown = issues.find((issue) => issue.message === 'unknown key');
  const suggested = issues.find((issue) => issue.suggestion !== undefined);
  const described = issues.map(
    ({ line, path, message, suggestion }) =>
      `${file}${line === undefined ? '' : `:${line}`}: ${path || 'the file'}: ${message}` +
      (suggestion === undefined ? '' : `, did you mean "${suggestion}"?`),
  );
  throw new NodeError(unknown === undefined ? 'CONFIG_BAD_VALUE' : 'CONFIG_UNKNOWN_KEY', described.join('\n'), {
    fault: 'caller',
    fix:
      suggested === undefined
        ? 'correct the line; `2pm config schema` lists every key'
        : `write "${suggested.suggestion}" instead of "${suggested.path.split('.').at(-1)}" in line ${suggested.line}`,
  });
}

function badYaml(message: string): NodeError {
  return new NodeError('CONFIG_BAD_YAML', message, {
    fault: 'caller',
    fix: 'correct the YAML; a value with a colon or a # in it needs quotes',
  });
}

function explain(issue: z.core.$ZodIssue, base: Path, document: Document, counter: LineCounter): ConfigIssue[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(path, document);
    return issue.keys.map((key) => {
      const suggestion = nearest(key, known);
      return {
        line: lineOf([...path, key], document, counter),
        path: [...path, key].map(String).join('.'),
        message: 'unknown key',
        ...(suggestion === undefined ? {} : { suggestion }),
      };
    });
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // The branch that came furthest is the one that was meant.
    const depth = (branch: readonly z.core.$ZodIssue[]) =>
      Math.max(...branch.map((one) => one.path.length + (one.code === 'unrecognized_keys' ? 1 : 0)));
    const meant = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? [];
    return meant.flatMap((inner) => explain(inner, path, document, counter));
  }
  return [{ line: lineOf(path, document, counter), path: path.map(String).join('.'), message: issue.message }];
}

/** Line of the key (or list entry) at a path, or of the nearest one above that is there. */
function lineOf(path: Path, document: Document, counter: LineCounter): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true);
    const name = path[length - 1];
    const found = isMap(parent)
      ? parent.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === name)?.key
      : document.getIn(path.slice(0, length), true);
    if (isNode(found) && found.range) return counter.linePos(found.range[0]).line;
  }
  return undefined;
}

type Schema = {
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  const?: unknown;
};

/** Names that the schema allows in the object at `path`. Of a choice, the branch that the file's `driver` picks. */
function keysAt(path: Path, document: Document): string[] {
  let schemas: Schema[] = [configJsonSchema() as Schema];
  const branches = (schema: Schema): Schema[] => {
    const choices = schema.anyOf ?? schema.oneOf;
    return choices === undefined ? [schema] : choices.flatMap(branches);
  };
  for (let i = 0; ; i++) {
    schemas = schemas.flatMap(branches).filter(({ properties }) => {
      const driver = properties?.['driver']?.const;
      return driver === undefined || driver === document.getIn([...path.slice(0, i), 'driver']);
    });
    if (i === path.length) return schemas.flatMap(({ properties }) => Object.keys(properties ?? {}));
    const name = path[i];
    schemas = schemas.flatMap(({ properties, items }) => properties?.[String(name)] ?? items ?? []);
  }
}
