/** Does a drug lower the blood pressure, and do its patients live longer? Over all clinics; none shows anybody a patient. */
import {
  bool,
  category,
  defineTask,
  describe,
  int,
  kaplanMeier,
  lifeTable,
  linearRegression,
  logRank,
  moments,
  sample,
  table,
  tTest,
} from '@2pm/program';

export default defineTask({
  name: 'drug-trial',
  tables: {
    patients: table(
      {
        age: int({ min: 18, max: 110 }),
        dose: int({ min: 0, max: 400 }),
        pressure: int({ min: 50, max: 250 }),
        days: int({ min: 0, max: 3650 }),
        died: bool(),
        arm: category(['drug', 'placebo']),
      },
      { maxRows: 100_000 },
    ),
  },
  roles: { clinic: { min: 3, max: 16, tables: ['patients'] } },

  run({ each, reveal }) {
    const sums = each('clinic', ({ patients }) => {
      const drug = patients.where(patients.arm.eq('drug'));
      const placebo = patients.where(patients.arm.eq('placebo'));
      const life = { time: 'days', event: 'died', edges: [0, 180, 365, 730, 1460, 3650] } as const;
      return {
        all: moments(patients, ['pressure', 'age', 'dose']),
        pressure: { drug: sample(drug.pressure), placebo: sample(placebo.pressure) },
        life: { drug: lifeTable(drug, life), placebo: lifeTable(placebo, life) },
      };
    }).total();

    const { all, pressure, life } = reveal(sums, { to: 'analyst', minGroupSize: 20 });
    return {
      patients: describe(all),
      model: linearRegression(all, { y: 'pressure', x: ['age', 'dose'] }),
      pressure: tTest(pressure.drug, pressure.placebo),
      survival: { drug: kaplanMeier(life.drug), placebo: kaplanMeier(life.placebo) },
      logRank: logRank(life.drug, life.placebo),
    };
  },
});
