/** Names of what a program declares. @module */
import { fail } from './program-error.ts';

export function checkName(name: string, what: string): void {
  if (typeof name !== 'string' || !/^[a-z][a-zA-Z0-9_]{0,63}$/.test(name) || name in Object.prototype) {
    fail('PROGRAM_NAME', `"${String(name)}" is no ${what} name`, 'Use a name like delayMinutes or delay_minutes');
  }
}
