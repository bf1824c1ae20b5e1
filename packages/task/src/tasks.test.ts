import { type Decision, NodeError } from '@2pm/core';
import { SubmitRequest, type TaskUpdate, type TaskView } from '@2pm/core/api';
import { rep3SemiHonest } from '@2pm/mpc';
import { meanPlan, rows } from '@2pm/testing/mean-task';
import { type TaskNetwork, type TestData, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, describe, expect, test } from 'vitest';
import { verifyReceipt } from './receipt.ts';

const plan = meanPlan(3);
const HOLDERS = [rows(5n, 10n), rows(7n, 70n), rows(8n, 20n)];
const request = SubmitRequest.parse({ program: 'mean', purpose: 'test' });

let net: TaskNetwork;
afterEach(() => net.stop());

async function ended(network: TaskNetwork, taskId: Parameters<TaskNetwork['analyst']['tasks']['view']>[0]) {
  const updates: TaskUpdate[] = [];
  for await (const update of network.analyst.tasks.updates(taskId, new AbortController().signal)) updates.push(update);
  return { view: network.analyst.tasks.view(taskId), updates };
}

async function run(network: TaskNetwork): Promise<TaskView> {
  const taskId = await network.analyst.tasks.submit(request);
  return (await ended(network, taskId)).view;
}

describe('a task among three holders and an analyst', () => {
  test('settles with the right result, and its receipt verifies offline', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS });
    const view = await run(net);
    expect(view).toMatchObject({ phase: 'settled', attempt: 1, mine: true });
    const { result } = await net.analyst.tasks.result(view.taskId);
    expect(result).toEqual({ n: 20, mean: 5 });
    const receipt = await net.analyst.tasks.receipt(view.taskId);
    expect(verifyReceipt(receipt, [rep3SemiHonest])).toMatchObject({ result, taskId: view.taskId, name: 'mean' });
    expect(view.cost.bytesSent).toBeGreaterThan(0);
    expect(Object.keys(view.cost.phaseMs)).toEqual(['publish', 'gather', 'start', 'compute', 'release', 'settle']);
  });

  test('checked beforehand, it tells who would refuse and why, and leaves no trace', async () => {
    const refusing: TestData = {
      ...rows(1n, 1n),
      decision: { verdict: 'refuse', code: 'POLICY_COLUMN', reasons: [{ message: 'column is closed', line: 4 }] },
    };
    net = await taskNetwork({ plans: { mean: plan }, holders: [...HOLDERS, refusing, rows(1n, 1n)] });
    const [, , , , silent] = net.holders;
    if (silent !== undefined) net.kill(silent);
    const check = await net.analyst.tasks.check(request);
    expect(check.members.map(({ org, verdict, code }) => [org, verdict, code]).sort()).toEqual([
      ['Organisation 1', 'allow', ''],
      ['Organisation 2', 'allow', ''],
      ['Organisation 3', 'allow', ''],
      ['Organisation 4', 'refuse', 'POLICY_COLUMN'],
      ['Organisation 5', 'silent', expect.stringMatching(/./)],
    ]);
    expect(check.members.find(({ verdict }) => verdict === 'refuse')?.reasons).toEqual([
      { message: 'column is closed', line: 4 },
    ]);
    expect(check.starts).toBe(true);
    expect(check.learns[1]).toContain('analyst learns');
    expect(net.nodes.flatMap(({ tasks }) => tasks.list())).toEqual([]);
    // What was asked can be submitted: its number was not used up.
    const { phase } = await run(net);
    expect(phase).toBe('settled');
  });

  test('seats those who would take part, where there is a choice', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: [...HOLDERS, rows(100n, 100n)] });
    // Nodes sit in the order of their ids.
    const [first] = net.holders.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const decision: Decision = { verdict: 'refuse', code: 'POLICY_NO_DATASET', reasons: [] };
    if (first?.data !== undefined) first.data = { ...first.data, decision };
    const view = await run(net);
    expect(view).toMatchObject({ phase: 'settled', refusals: [{ node: first?.id, code: 'POLICY_NO_DATASET' }] });
    const others = [...HOLDERS, rows(100n, 100n)].filter((_, index) => net.holders[index] !== first);
    const n = others.reduce((sum, { vectors }) => sum + Number(vectors['count/1']?.[0]), 0);
    expect((await net.analyst.tasks.result(view.taskId)).result).toMatchObject({ n });
  });

  test('a receipt with any one bit flipped is rejected', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS });
    const view = await run(net);
    const receipt = await net.analyst.tasks.receipt(view.taskId);
    for (let bit = 0; bit < receipt.length * 8; bit += 97) {
      const forged = receipt.slice();
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => verifyReceipt(forged, [rep3SemiHonest]), `bit ${bit}`).toThrowError(
        expect.objectContaining({ code: 'RECEIPT_INVALID' }),
      );
    }
  }, 60_000);

  test('a group that is too small is withheld', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: [rows(1n, 1n), rows(2n, 2n), rows(3n, 3n)] });
    const view = await run(net);
    expect((await net.analyst.tasks.result(view.taskId)).result).toEqual({ n: null, mean: null });
  });

  test('ends as refused, with the reasons, when a holder says no', async () => {
    const reasons = [{ message: 'the rows of a group of 3 would be shown', line: 7 }];
    const greedy: TestData = { ...rows(5n, 1n), decision: { verdict: 'refuse', code: 'POLICY_ROWS', reasons } };
    net = await taskNetwork({ plans: { mean: plan }, holders: [greedy, ...HOLDERS.slice(1)] });
    const view = await run(net);
    expect(view).toMatchObject({ phase: 'refused', error: { code: 'POLICY_ROWS' } });
    expect(view.refusals).toEqual([{ node: net.holders[0]?.id, code: 'POLICY_ROWS', reasons }]);
    await expect(net.analyst.tasks.result(view.taskId)).rejects.toMatchObject({ code: 'TASK_NOT_SETTLED' });
  });

  test('a holder whose data breaks its contract refuses with the code alone', async () => {
    const broken: TestData = {
      ...rows(5n, 1n),
      prepareError: new NodeError('DATA_QUALITY', '2 conditions failed', {
        fault: 'data',
        privateDetail: 'age=-1 in row 7',
      }),
    };
    net = await taskNetwork({ plans: { mean: plan }, holders: [broken, ...HOLDERS.slice(1)] });
    const view = await run(net);
    expect(view.phase).toBe('refused');
    expect(JSON.stringify(view)).not.toContain('age=-1');
  });

  test('an error of the data in the middle ends the task on the chain', async () => {
    const broken: TestData = {
      ...rows(5n, 1n),
      computeError: new NodeError('DATA_OUT_OF_BOUNDS', 'a sum left its bounds', { fault: 'data' }),
    };
    net = await taskNetwork({ plans: { mean: plan }, holders: [broken, ...HOLDERS.slice(1)] });
    const view = await run(net);
    expect(view).toMatchObject({ phase: 'aborted', error: { code: 'DATA_OUT_OF_BOUNDS' } });
    expect((await net.chain.connector().task(view.taskId))?.status).toBe('aborted');
  });

  test('too few members, unknown nodes and seats of one organisation are refused before anything is published', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS.slice(0, 2) });
    await expect(net.analyst.tasks.submit(request)).rejects.toMatchObject({ code: 'TASK_TOO_FEW_MEMBERS' });
    const stranger = `0x${'ab'.repeat(20)}`;
    const odd = SubmitRequest.parse({ ...request, roles: { holder: [stranger] } });
    await expect(net.analyst.tasks.submit(odd)).rejects.toMatchObject({ code: 'TASK_UNKNOWN_NODE' });
    expect(net.analyst.tasks.list()).toEqual([]);
  });

  test('an analyst may give up, and everyone is told', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS });
    const [holder] = net.holders;
    if (holder === undefined) throw new Error('no holder');
    net.kill(holder);
    const taskId = await net.analyst.tasks.submit(request);
    await net.analyst.tasks.abort(taskId);
    expect(net.analyst.tasks.view(taskId)).toMatchObject({ phase: 'aborted', error: { code: 'ANALYST_ABORT' } });
  });
});

describe('when parties vanish', () => {
  test('a holder killed in the middle comes back, and the task settles in another attempt', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS });
    const [victim] = net.holders;
    if (victim === undefined) throw new Error('no holder');
    const taskId = await net.analyst.tasks.submit(request);
    let killed = false;
    for await (const update of net.analyst.tasks.updates(taskId, new AbortController().signal)) {
      if (killed || update.node !== victim.id || update.phase !== 'connecting') continue;
      killed = true;
      net.kill(victim);
      await net.clock.sleep(3_000);
      net.restart(victim);
    }
    const view = net.analyst.tasks.view(taskId);
    expect(view.phase).toBe('settled');
    expect(view.attempt).toBeGreaterThan(1);
    expect((await net.analyst.tasks.result(taskId)).result).toEqual({ n: 20, mean: 5 });
  });

  test('a holder that is down when the task appears reads it from the chain when it is back', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS });
    const [late] = net.holders;
    if (late === undefined) throw new Error('no holder');
    net.kill(late);
    const taskId = await net.analyst.tasks.submit(request);
    await net.clock.sleep(20_000);
    net.restart(late);
    expect((await ended(net, taskId)).view.phase).toBe('settled');
  });

  test('a holder that never comes back lets the task expire', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS });
    const [gone] = net.holders;
    if (gone === undefined) throw new Error('no holder');
    const taskId = await net.analyst.tasks.submit(request);
    let killed = false;
    for await (const update of net.analyst.tasks.updates(taskId, new AbortController().signal)) {
      if (!killed && update.phase === 'computing' && update.node === net.analyst.id) {
        killed = true;
        net.kill(gone);
      }
    }
    expect(net.analyst.tasks.view(taskId).phase).toBe('expired');
    expect((await net.chain.connector().task(taskId))?.status).toBe('expired');
  });

  test('a coordinator that vanishes after the start cannot hold the task open: a member expires it', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS });
    const taskId = await net.analyst.tasks.submit(request);
    for await (const update of net.analyst.tasks.updates(taskId, new AbortController().signal)) {
      if (update.phase === 'started') {
        net.kill(net.analyst);
        break;
      }
    }
    await net.clock.sleep(1_200_000);
    expect((await net.chain.connector().task(taskId))?.status).toBe('expired');
    expect(net.holders[0]?.tasks.view(taskId).phase).toBe('expired');
  });

  test('a coordinator killed in the middle comes back and settles', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS });
    const taskId = await net.analyst.tasks.submit(request);
    for await (const update of net.analyst.tasks.updates(taskId, new AbortController().signal)) {
      if (update.phase === 'computing') break;
    }
    net.kill(net.analyst);
    await net.clock.sleep(5_000);
    net.restart(net.analyst);
    expect((await ended(net, taskId)).view.phase).toBe('settled');
    expect((await net.analyst.tasks.result(taskId)).result).toEqual({ n: 20, mean: 5 });
  });

  test('where the policy is to wait for finality, nobody computes before the start is final', async () => {
    net = await taskNetwork({ plans: { mean: plan }, holders: HOLDERS, finality: 'final' });
    net.chain.faults.finalityStopped = true;
    const taskId = await net.analyst.tasks.submit(request);
    await net.clock.sleep(30_000);
    expect(net.holders.map(({ tasks }) => tasks.view(taskId).attempt)).toEqual([0, 0, 0]);
    net.chain.faults.finalityStopped = false;
    net.chain.mine();
    expect((await ended(net, taskId)).view.phase).toBe('settled');
  });
});
