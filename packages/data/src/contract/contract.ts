/**
 * Dataset contracts: the Open Data Contract Standard v3.1.0 (bitol.io, Apache-2.0), the part of it that a node acts on,
 * with one table a file. What the node does not understand it refuses, at the line where it stands: a rule that is read
 * over silently would be a rule that does not hold.
 * @module
 */
import { NodeError } from '@2pm/core';
import { isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { z } from 'zod';
import { Policy } from '../policy/policy.ts';

const Name = z.string().regex(/^[a-z][a-zA-Z0-9_]{0,63}$/, 'expected a name like delayMinutes or delay_minutes');
const Text = z.string().min(1).max(2_000);

/** Thresholds of a rule; exactly one. */
const Must = {
  mustBe: z.number().optional(),
  mustNotBe: z.number().optional(),
  mustBeGreaterThan: z.number().optional(),
  mustBeGreaterOrEqualTo: z.number().optional(),
  mustBeLessThan: z.number().optional(),
  mustBeLessOrEqualTo: z.number().optional(),
  mustBeBetween: z.tuple([z.number(), z.number()]).optional(),
  mustNotBeBetween: z.tuple([z.number(), z.number()]).optional(),
};

const ruleFields = {
  id: Text.optional(),
  name: Text.optional(),
  description: Text.optional(),
  dimension: Text.optional(),
  /** `rows` by default; `percent` of the rows. */
  unit: z.enum(['rows', 'percent']).optional(),
  /** An error stops a task, a warning is reported. */
  severity: z.enum(['error', 'warning']).default('error'),
  ...Must,
};
const library = z
  .literal('library', {
    error: 'only library rules are run; a sql or custom rule cannot be checked for what it does: use a library metric',
  })
  .default('library');

const oneBound = (rule: Record<string, unknown>) =>
  Object.keys(Must).filter((key) => rule[key] !== undefined).length === 1;
const ONE_BOUND = 'a rule needs exactly one of mustBe, mustNotBe, mustBeLessThan, mustBeBetween …';

export const PropertyRule = z
  .discriminatedUnion('metric', [
    z.strictObject({ type: library, metric: z.literal('nullValues'), ...ruleFields }),
    z.strictObject({ type: library, metric: z.literal('duplicateValues'), ...ruleFields }),
    z.strictObject({
      type: library,
      metric: z.literal('invalidValues'),
      ...ruleFields,
      arguments: z
        .strictObject({
          validValues: z
            .array(z.union([z.string(), z.number()]))
            .min(1)
            .max(4_096)
            .optional(),
          pattern: Text.optional(),
        })
        .optional(),
    }),
  ])
  .refine(oneBound, ONE_BOUND);
export type PropertyRule = z.infer<typeof PropertyRule>;

export const TableRule = z
  .discriminatedUnion('metric', [
    z.strictObject({ type: library, metric: z.literal('rowCount'), ...ruleFields }),
    z.strictObject({
      type: library,
      metric: z.literal('duplicateValues'),
      ...ruleFields,
      arguments: z.strictObject({ properties: z.array(Name).min(1) }),
    }),
  ])
  .refine(oneBound, ONE_BOUND);
export type TableRule = z.infer<typeof TableRule>;

/** A bound of a number, or of a date as YYYY-MM-DD. */
const Bound = z.union([z.number(), z.string().regex(/^\d{4}-\d{2}-\d{2}$/)]);

export const Property = z.strictObject({
  name: Name,
  physicalName: Text.optional(),
  physicalType: Text.optional(),
  businessName: Text.optional(),
  description: Text.optional(),
  logicalType: z.enum(['integer', 'number', 'boolean', 'date', 'timestamp', 'string']),
  logicalTypeOptions: z
    .strictObject({ minimum: Bound.optional(), maximum: Bound.optional(), pattern: Text.optional() })
    .optional(),
  required: z.boolean().default(false),
  unique: z.boolean().default(false),
  primaryKey: z.boolean().optional(),
  classification: Text.optional(),
  tags: z.array(Text).optional(),
  quality: z.array(PropertyRule).default([]),
});
export type Property = z.infer<typeof Property>;

export const Contract = z.strictObject({
  apiVersion: z.literal('v3.1.0'),
  kind: z.literal('DataContract'),
  id: Text,
  version: z.string().regex(/^\d+\.\d+\.\d+$/, 'expected a version like 1.0.0'),
  status: z.enum(['proposed', 'draft', 'active', 'deprecated', 'retired']),
  name: Text.optional(),
  domain: Text.optional(),
  tenant: Text.optional(),
  tags: z.array(Text).optional(),
  description: z
    .strictObject({ purpose: Text.optional(), limitations: Text.optional(), usage: Text.optional() })
    .optional(),
  /** Keys beside these are the driver's, which checks them itself. */
  servers: z.array(z.looseObject({ server: Text, type: Text })).length(1, 'expected one server'),
  schema: z
    .array(
      z.strictObject({
        name: Name,
        physicalName: Text.optional(),
        physicalType: Text.optional(),
        businessName: Text.optional(),
        description: Text.optional(),
        logicalType: z.literal('object').optional(),
        properties: z.array(Property).min(1),
        quality: z.array(TableRule).default([]),
      }),
    )
    .length(1, 'expected one table'),
  customProperties: z
    .array(
      z.discriminatedUnion('property', [z.strictObject({ property: z.literal('twopm.policy'), value: Policy })], {
        error: 'expected the property twopm.policy: no other is known',
      }),
    )
    .length(1, 'expected one twopm.policy'),
});
export type Contract = z.infer<typeof Contract>;

export interface LoadedContract extends Contract {
  /** SHA-256 is taken over these bytes: policy and schema as agreed to. */
  source: string;
}

/** @throws {NodeError} `DATA_CONTRACT_INVALID`; the message has line and path of each problem. */
export function parseContract(source: string, name = 'the dataset contract'): LoadedContract {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, strict: true, uniqueKeys: true, version: '1.2' });
  const problems = document.errors.map((error) => `line ${lines.linePos(error.pos[0]).line}: ${error.code}`);
  if (problems.length > 0) throw invalid(name, problems);
  const parsed = Contract.safeParse(document.toJS({ maxAliasCount: 0 }));
  if (!parsed.success) {
    const found = parsed.error.issues.map((issue) => {
      const keys = issue.code === 'unrecognized_keys' ? issue.keys : [];
      const path = [...issue.path, ...keys.slice(0, 1)];
      const text = keys.length > 0 ? `unknown key ${keys.join(', ')}` : issue.message;
      return `line ${lineOf(document.contents, path, lines)}: ${issue.path.join('.') || 'contract'}: ${text}`;
    });
    throw invalid(name, found);
  }
  const contract = parsed.data;
  const inconsistent = consistency(contract).map(
    ({ path, text }) => `line ${lineOf(document.contents, path, lines)}: ${path.join('.')}: ${text}`,
  );
  if (inconsistent.length > 0) throw invalid(name, inconsistent);
  return { ...contract, source };
}

export const tableOf = (contract: Contract) => contract.schema[0] as Contract['schema'][number];
export const policyOf = (contract: Contract): Policy =>
  (contract.customProperties[0] as Contract['customProperties'][number]).value;

/** What a schema cannot say: names that refer to other places of the file. */
function consistency(contract: Contract): { path: (string | number)[]; text: string }[] {
  const problems: { path: (string | number)[]; text: string }[] = [];
  const table = tableOf(contract);
  const names = new Set<string>();
  for (const [i, property] of table.properties.entries()) {
    const path = ['schema', 0, 'properties', i];
    if (names.has(property.name)) problems.push({ path: [...path, 'name'], text: 'the name stands twice' });
    names.add(property.name);
    const { minimum, maximum } = property.logicalTypeOptions ?? {};
    for (const [key, bound] of Object.entries({ minimum, maximum })) {
      if (bound === undefined) continue;
      const isDate = property.logicalType === 'date' || property.logicalType === 'timestamp';
      const isNumber = property.logicalType === 'integer' || property.logicalType === 'number';
      if ((isDate && typeof bound !== 'string') || (isNumber && typeof bound !== 'number') || (!isDate && !isNumber)) {
        problems.push({ path: [...path, 'logicalTypeOptions', key], text: 'does not fit the logicalType' });
      }
    }
    if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
      problems.push({ path: [...path, 'logicalTypeOptions', 'maximum'], text: 'is below the minimum' });
    }
  }
  const known = (columns: readonly string[], path: (string | number)[]) => {
    for (const [i, column] of columns.entries()) {
      if (!names.has(column)) problems.push({ path: [...path, i], text: `there is no property "${column}"` });
    }
  };
  for (const [i, rule] of table.quality.entries()) {
    if (rule.metric === 'duplicateValues')
      known(rule.arguments.properties, ['schema', 0, 'quality', i, 'arguments', 'properties']);
  }
  const policy = ['customProperties', 0, 'value'];
  for (const [i, permit] of policyOf(contract).permit.entries()) {
    if (permit.columns !== 'any') known(permit.columns, [...policy, 'permit', i, 'columns']);
  }
  for (const [i, prohibition] of policyOf(contract).prohibit.entries()) {
    known(prohibition.columns ?? [], [...policy, 'prohibit', i, 'columns']);
  }
  return problems;
}

/** Line of the deepest node on the path that exists. */
function lineOf(root: unknown, path: readonly PropertyKey[], lines: LineCounter): number {
  let node = root as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key);
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      node = (node.items[Number(key)] as Node | undefined) ?? null;
      if (node === null) break;
      offset = node.range?.[0] ?? offset;
    } else break;
  }
  return lines.linePos(offset).line;
}

function invalid(name: string, problems: readonly string[]): NodeError {
  return new NodeError('DATA_CONTRACT_INVALID', `${name} is not valid: ${problems.slice(0, 10).join('; ')}`, {
    fault: 'data',
    fix: 'correct the lines named; `2pm data add` drafts a contract to compare with',
  });
}
