/** A plan in plain words, for the person who must consent: what is learnt, by whom, from which rows, under which rule. @module */
import { deliveredColumns, nodesOf, type Plan, type PlanNode, slice } from '@2pm/core';

const SYMBOLS: Readonly<Record<string, string>> = {
  'add/1': '+',
  'sub/1': '−',
  'div/1': '÷',
  'lt/1': '<',
  'le/1': '≤',
  'gt/1': '>',
  'ge/1': '≥',
  'eq/1': '=',
  'ne/1': '≠',
  'and/1': 'and',
  'or/1': 'or',
};

const RESTS: ReadonlySet<string> = new Set(['rest/1', 'beside/1']);
const LEAVES_FEW = ' Also where another number of the task, taken away, would leave fewer, but not none.';

/** Longer expressions are cut, so that a hostile plan cannot flood the reader. */
const MAX_CHARACTERS = 400;

/** A paragraph for what is revealed at one line, under one rule, in the plan's order, after one on who takes part. For plans that `checkPlan` accepts. */
export function describePlan(plan: Plan): string[] {
  const roles = Object.entries(plan.roles).map(
    ([name, { min, max, tables }]) =>
      `${min === max ? '' : `${min} to `}${max} ${name}${max > 1 ? 's' : ''} with ${tables.join(', ')}`,
  );
  const phrases = expressions(plan);
  const head = `Task "${plan.name}" among ${roles.join('; ')}.`;
  return [
    head,
    ...nodesOf(plan, 'join/1').map((index) => describeJoin(plan, index, phrases)),
    ...nodesOf(plan, 'intersect/1').map((index) => describeIntersection(plan, index, phrases)),
    ...describeReveals(nodesOf(plan, 'reveal/1').map((index) => describeReveal(plan, index, phrases))),
  ];
}

function describeJoin(plan: Plan, index: number, phrases: readonly string[]): string {
  const { args, attrs, line } = plan.nodes[index] as PlanNode;
  return [
    `${args.map((arg) => phrases[arg]).join(' and ')} are matched (line ${line}), reading ${keyColumnsOf(plan, index).join(', ')}.`,
    ...(attrs.atLeast === undefined
      ? []
      : [`A match is a row of the first that is in ${attrs.atLeast} of these sets or more.`]),
    attrs.matching === undefined
      ? 'Nobody learns who matched; the computing party that matches them learns how many do.'
      : 'Nobody learns who matched, nor how many do.',
  ].join(' ');
}

function describeIntersection(plan: Plan, index: number, phrases: readonly string[]): string {
  const { args, attrs, line } = plan.nodes[index] as PlanNode;
  const isReceiver = (arg: number) => {
    const type = plan.nodes[arg]?.type;
    return type?.kind === 'keyed' && type.role === attrs.to;
  };
  const [own = -1] = args.filter(isReceiver);
  const others = args.filter((arg) => !isReceiver(arg)).map((arg) => phrases[arg]);
  const { role, columns = [] } = deliveredColumns(plan, index) ?? {};
  const brought =
    columns.length === 0 ? [] : [`and for these rows ${role}'s ${columns.map(({ name }) => name).join(', ')},`];
  const also =
    attrs.atLeast === undefined
      ? `are also among ${others.join(' and ')}`
      : `are in ${attrs.atLeast} or more of ${args.length} sets: these, ${others.join(' and ')}`;
  return [
    `${attrs.to} learns which of ${phrases[own]} ${also} (line ${line}),`,
    ...brought,
    `and keeps them as "${attrs.name}". It reads ${keyColumnsOf(plan, index).join(', ')}.`,
    'Not withheld, however few they are.',
  ].join(' ');
}

interface Reveal {
  to: string;
  line: number;
  rule: string;
  /** Its name, how many numbers it has and for whom, and what they are. */
  what: readonly [name: string, numbers: string, phrase: string];
  columns: readonly string[];
  /** Whether it adds up what holders have. */
  together: boolean;
}

function describeReveals(reveals: readonly Reveal[]): string[] {
  const groups: Reveal[][] = [];
  for (const reveal of reveals) {
    const [before] = groups.at(-1) ?? [];
    const alike = before?.to === reveal.to && before.line === reveal.line && before.rule === reveal.rule;
    if (alike) groups.at(-1)?.push(reveal);
    else groups.push([reveal]);
  }
  return groups.map((group) => {
    const [{ to, line, rule, what }] = group as [Reveal];
    const columns = [...new Set(group.flatMap((reveal) => reveal.columns))];
    return [
      group.length === 1
        ? `${to} learns ${what[0]} (line ${line})${what[1]}: ${what[2]}.`
        : `${to} learns (line ${line}): ${group.map((reveal) => `${reveal.what[0]}${reveal.what[1]}, ${reveal.what[2]}`).join('; ')}.`,
      ...(group.some((reveal) => reveal.together) ? ['All holders together.'] : []),
      columns.length === 0 ? 'It reads no column.' : `It reads ${columns.join(', ')}.`,
      rule,
    ].join(' ');
  });
}

function describeReveal(plan: Plan, index: number, phrases: readonly string[]): Reveal {
  const node = plan.nodes[index] as PlanNode;
  const secret = node.args[0] as number;
  const guard = plan.nodes[secret];
  const value = guard?.op === 'suppress/1' || guard?.op === 'noise/1' ? (guard.args[0] as number) : secret;
  const { type } = node;
  const entries = type.kind === 'opened' && type.length > 1 ? `, ${type.length} numbers` : '';
  const each = type.kind === 'opened' && type.stacked !== undefined ? ` for each ${type.stacked} by itself` : '';
  // The supports themselves, not what they should be: a hand-made plan may name anything there.
  const all = guard?.op === 'suppress/1' ? guard.args.slice(1) : [];
  const isRest = (support: number) => RESTS.has(plan.nodes[support]?.op ?? '');
  const supports = all.filter((support) => !isRest(support)).map((support) => phrases[support]);
  const rule =
    guard?.op === 'noise/1'
      ? describeNoise(guard)
      : supports.length > 0
        ? `Withheld where this is below ${guard?.attrs.min}: ${[...new Set(supports)].join('; ')}.${all.some(isRest) ? LEAVES_FEW : ''}`
        : 'Not withheld, however few rows it rests on.';
  const { to = '', name = '' } = node.attrs;
  return {
    to,
    line: node.line,
    rule,
    what: [`"${name}"`, `${entries}${each}`, `${phrases[value]}`],
    columns: columnsOf(plan, value),
    together: slice(plan, [value]).some((each) => plan.nodes[each]?.op === 'total/1'),
  };
}

/** Within what 95 of 100 draws lie, from the law: P(|noise| > k) = 2 q^(k+1) / (1 + q) with q = exp(-ε/s). */
function describeNoise({ attrs, type }: PlanNode): string {
  const [epsilon, sensitivity] = [(attrs.epsilonMicros ?? 0) / 1_000_000, Number(attrs.sensitivity)];
  const rate = epsilon / sensitivity;
  const reach = Math.max(Math.ceil(Math.log(40 / (1 + Math.exp(-rate))) / rate) - 1, 0);
  const bits = 'fractionBits' in type ? type.fractionBits : 0;
  return [
    `Under random noise (ε = ${epsilon}; one row may change it by ${decimal(String(sensitivity), bits)}):`,
    `95 of 100 numbers are off by ${decimal(String(reach), bits)} or less.`,
  ].join(' ');
}

/** Columns that the value depends on, filters included, as table.column; of a join the columns that it reads, by role. */
function columnsOf(plan: Plan, value: number): string[] {
  const columns = slice(plan, [value]).flatMap((index) => {
    const { op, args, attrs } = plan.nodes[index] as PlanNode;
    if (op === 'joined-column/1') return [`${attrs.role}.${attrs.name}`];
    const table = plan.nodes[args[0] ?? -1]?.type;
    if (table?.kind !== 'table' || op === 'keyed/1') return [];
    const names = op === 'column/1' ? [attrs.name] : (attrs.columns ?? []);
    return names.map((name) => `${table.table}.${name}`);
  });
  return [...new Set(columns)];
}

/** The key columns of an operation that matches, with their rules, and the columns that its rows bring. */
function keyColumnsOf(plan: Plan, matching: number): string[] {
  const columns = (plan.nodes[matching] as PlanNode).args.flatMap((arg) => {
    const { type, attrs, args } = plan.nodes[arg] as PlanNode;
    if (type.kind !== 'keyed') return [];
    const key = plan.tables[type.table]?.keys?.[type.key] ?? [];
    return [
      ...key.flat().map(({ column, rule }) => `${type.table}.${column} (as ${rule})`),
      ...(attrs.columns ?? []).map((name) => `${type.table}.${name}`),
      ...columnsOf(plan, args[0] as number),
    ];
  });
  return [...new Set(columns)];
}

function expressions(plan: Plan): string[] {
  const phrases: string[] = [];
  for (const node of plan.nodes) {
    const text = phrase(plan, node, phrases);
    phrases.push(text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text);
  }
  return phrases;
}

function phrase(plan: Plan, { op, args, attrs, type }: PlanNode, phrases: readonly string[]): string {
  const [a = '', b = '', c = ''] = args.map((arg) => phrases[arg] ?? '');
  const first = plan.nodes[args[0] ?? -1]?.type;
  const source = plan.nodes[args[0] ?? -1];
  const matches =
    source?.op === 'matched/1' || source?.op === 'joined-column/1' ? phrases[source.args[0] ?? -1] : undefined;
  const rows = first?.kind === 'column' ? (phrases[first.of] ?? '') : a;
  switch (op) {
    case 'input/1':
      return `${attrs.table}`;
    case 'constant/1':
      return type.kind === 'constant' ? decimal(type.value, type.fractionBits) : '';
    case 'where/1':
      return chosen(a, b, source?.op === 'where/1');
    case 'column/1':
      return `${attrs.name}`;
    case 'count/1':
      return first?.kind === 'table' ? `the number of ${a}` : `the number of ${rows} that have ${a}`;
    case 'keyed/1':
      return `${type.kind === 'keyed' ? `${type.role}'s ` : ''}${a} by ${attrs.key}`;
    case 'join/1':
      return `the matches of ${args.map((arg) => phrases[arg]).join(' with ')}${attrs.atLeast === undefined ? '' : `, in ${attrs.atLeast} of them or more`}`;
    case 'keep/1':
      return chosen(a, b, source?.op === 'keep/1');
    case 'matched/1':
      return `being among ${a}`;
    case 'joined-column/1':
      return source?.op === 'sort/1' || source?.op === 'head/1'
        ? `${attrs.role}.${attrs.name} of ${a}`
        : `${attrs.role}.${attrs.name}`;
    case 'union/1': {
      const role = first?.kind === 'local' ? first.role : '';
      return `the rows of ${phrases[source?.args[0] ?? -1]} of all of ${role}`;
    }
    case 'sort/1': {
      const keys = args.slice(1).map((key, i) => `${phrases[key]}${attrs.descending?.[i] ? ' downwards' : ''}`);
      return keys.length === 0 ? a : `${a}, ordered by ${keys.join(', then ')}`;
    }
    case 'head/1':
      return `the first ${attrs.length} of ${a}`;
    case 'rank/1':
      return `the places of ${a} by ${args
        .slice(1)
        .map((key) => phrases[key])
        .join(', then ')}`;
    case 'quantile/1': {
      const [shares, last] = [attrs.numerators ?? [], attrs.denominator ?? 1];
      const percent = shares.map((share) => `${Math.round((1_000_000 * share) / last) / 10_000} %`);
      return `the ${percent.join(', ')} quantile${shares.length > 1 ? 's' : ''} of ${b} over ${a}`;
    }
    case 'group-key/1':
      return `${b} in each of the ${attrs.length} largest groups by it of ${a}`;
    case 'group-count/1':
      return `the rows in each of the ${attrs.length} largest groups by ${b} of ${a}`;
    case 'group-sum/1':
      return `the sum of ${phrases[args[2] ?? -1]} in each of the ${attrs.length} largest groups by ${b} of ${a}`;
    case 'intersect/1':
      return a;
    case 'sum/1':
      if (matches !== undefined)
        return source?.op === 'matched/1'
          ? `the number of ${matches?.replace(/^the /, '')}`
          : `the sum of ${source?.attrs.role}.${source?.attrs.name} over ${matches}`;
      return first?.kind === 'column' ? `the sum of ${a} over ${rows}` : `the sum of all entries of (${a})`;
    case 'histogram/1':
      return `the numbers of ${rows} by ${a} between ${edges(attrs.edges, first)}`;
    case 'count-by/1':
      return `the numbers of ${rows} for each ${a}`;
    case 'sum-by/1':
      return `the sum of ${a} over ${rows} for each ${b}`;
    case 'rows/1':
      return `up to ${attrs.capacity} ROWS of ${a}, with ${(attrs.columns ?? []).join(', ')}`;
    case 'total/1':
      return a;
    case 'stack/1':
      return `${a}, holder by holder`;
    case 'in/1':
      return `${a} is one of ${(attrs.categories ?? []).map((value) => JSON.stringify(value)).join(', ')}`;
    case 'is-null/1':
      return `${a} is missing`;
    case 'not/1':
      return `not (${a})`;
    case 'neg/1':
      return `−(${a})`;
    case 'sqrt/1':
      return `√(${a})`;
    case 'rescale/1':
    case 'as-int/1':
    case 'unstack/1':
    case 'repeat/1':
      return a;
    case 'mul/1': {
      // A quantile comes times the denominator of its shares.
      const exact = source?.op === 'quantile/1' && plan.nodes[args[1] ?? -1]?.type.kind === 'constant';
      return exact ? a : `${bracketed(a)} × ${bracketed(b)}`;
    }
    case 'minimum/1': {
      // What `clip` makes.
      const bounds = [source?.args[1], args[1]].map((bound) => plan.nodes[bound ?? -1]?.type.kind);
      if (source?.op === 'maximum/1' && bounds.every((kind) => kind === 'constant')) {
        return `${bracketed(phrases[source.args[0] ?? -1] ?? '')} kept between ${phrases[source.args[1] ?? -1]} and ${b}`;
      }
      return `the lesser of (${a}) and (${b})`;
    }
    case 'maximum/1':
      return `the greater of (${a}) and (${b})`;
    case 'min/1':
      return `the least entry of (${a})`;
    case 'max/1':
      return `the greatest entry of (${a})`;
    case 'argmax/1':
      return `the place of the greatest entry of (${a})`;
    case 'abs/1':
      return `|${a}|`;
    case 'reciprocal/1':
      return `1 ÷ ${bracketed(a)}`;
    case 'exp/1':
      return `exp(${a})`;
    case 'log/1':
      return `ln(${a})`;
    case 'sigmoid/1':
      return `sigmoid(${a})`;
    case 'dot/1':
      return `the sums of the products of (${a}) with ${args
        .slice(1)
        .map((arg) => `(${phrases[arg]})`)
        .join(', ')}`;
    case 'carried/1':
      return `value ${(attrs.place ?? 0) + 1} of the step before`;
    case 'iterate/1': {
      const [start, step] = [args[attrs.place ?? 0], args[args.length / 2 + (attrs.place ?? 0)]];
      const begin = plan.nodes[start ?? -1]?.args[0] ?? -1;
      return `what ${attrs.times} steps make of (${phrases[begin]}), each (${phrases[step ?? -1]})`;
    }
    case 'step/1':
      return 'a number that the program gives for each step';
    case 'combine/1':
      return `the sum of ${args
        .slice(1)
        .map((arg) => `(${phrases[arg]})`)
        .join(', ')}, weighted by (${a})`;
    case 'slice/1':
      if (args.length > 1) return `${attrs.length} entries, others in each step, of (${a})`;
      return `entries ${(attrs.offset ?? 0) + 1} to ${(attrs.offset ?? 0) + (attrs.length ?? 0)} of (${a})`;
    case 'concat/1':
      return args.map((arg) => phrases[arg]).join(', then ');
    case 'transpose/1':
      return `(${a}) as a matrix of ${attrs.rows} rows, transposed`;
    case 'matmul/1':
      return `the matrix product of (${a}) and (${b})`;
    case 'select/1':
      return `(${b}) where (${a}), else (${c})`;
    case 'rest/1':
      return `${a} less ${b}`;
    case 'beside/1':
      return `${b} less those of ${a} that are shown`;
    case 'suppress/1':
    case 'noise/1':
    case 'reveal/1':
      return a;
    default: {
      const right = attrs.category === undefined ? (joinedCategory(plan, args) ?? b) : JSON.stringify(attrs.category);
      return `${bracketed(a)} ${SYMBOLS[op] ?? op} ${bracketed(right)}`;
    }
  }
}

/** The value of a category that a column of a join is compared with: there it is its place among the declared ones. */
function joinedCategory(plan: Plan, [column = -1, place = -1]: readonly number[]): string | undefined {
  const [node, constant] = [plan.nodes[column], plan.nodes[place]?.type];
  if (node?.op !== 'joined-column/1' || constant?.kind !== 'constant') return undefined;
  const types = (plan.roles[node.attrs.role ?? '']?.tables ?? []).map(
    (table) => plan.tables[table]?.columns[node.attrs.name ?? ''],
  );
  const [type] = types.filter((one) => one?.type === 'category');
  return type?.type === 'category' ? JSON.stringify(type.values[Number(constant.value)]) : undefined;
}

function chosen(rows: string, condition: string, again: boolean): string {
  return `${rows} ${again ? 'and' : 'where'} ${/ or /.test(condition) ? bracketed(condition) : condition}`;
}

function bracketed(text: string): string {
  return /^(?:[\w.−-]+|".*")$/.test(text) ? text : `(${text})`;
}

function edges(values: readonly string[] | undefined, column: PlanNode['type'] | undefined): string {
  const bits = column?.kind === 'column' ? column.fractionBits : 0;
  return (values ?? []).map((value) => decimal(value, bits)).join(', ');
}

function decimal(value: string, fractionBits: number): string {
  if (fractionBits === 0) return value;
  const number = Number(value) / 2 ** fractionBits;
  // A number as it was written, not the nearest one in binary.
  return String(Math.abs(number) < 1_000_000 ? Number(number.toPrecision(8)) : number);
}
