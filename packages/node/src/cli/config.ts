/** `2pm config`: what the file may say, and what this node makes of it. @module */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { configReference } from '../config/reference.ts';
import { configJsonSchema } from '../config/schema.ts';
import { answer, type Context, globals } from './context.ts';

export function registerConfig(program: Command, context: Context): void {
  const config = program.command('config').description('show the configuration, or its schema');
  config
    .command('schema')
    .description('print the JSON Schema of 2pm.yaml, for editors')
    .option('--markdown', 'as a page for people', false)
    .action(({ markdown }: { markdown: boolean }) =>
      context.out.write(markdown ? configReference() : `${JSON.stringify(configJsonSchema(), null, 2)}\n`),
    );
  config
    .command('show')
    .description('check 2pm.yaml and print every value in force, defaults included')
    .action(async (_options: object, command: Command) => {
      const options = globals(command, context);
      const { layout, ...values } = await loadConfig(options.dir);
      answer(context, options, { dir: layout.dir, ...values }, () => `# ${layout.config}\n${stringify(values)}`);
    });
}
