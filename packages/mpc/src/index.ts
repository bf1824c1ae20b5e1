export { additiveSemiHonest, runAdditiveCircuit } from './additive/backend.ts';
export { ADDITIVE_SEMI_HONEST } from './additive/card.ts';
export { sharedBackends } from './backends.ts';
export { REP3_SEMI_HONEST } from './card.ts';
export { type Circuit, CircuitBuilder } from './circuit.ts';
export { evaluatePlain, type PlainInputs } from './plain.ts';
export { rep3SemiHonest, runCircuit } from './rep3/backend.ts';
export { type Simulation, type SimulationResult, simulateSeats } from './simulate.ts';
export { largest, place, quantile, ranks, sortBy } from './sort.ts';
