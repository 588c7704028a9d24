// SPDX-License-Identifier: Apache-2.0
//
// driver: the Node driver 7 against `racebench serve`, by its own public functions alone: reads and
// writes, retryable writes whose connection breaks before and after the commit, transactions that
// conflict, indexes, refusals, causal sessions, and 100 workers on one counter, with the wrong way
// of counting beside the right one.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { configure, load, serve, workers } from './support.mjs';

const { MongoClient } = load('driver', 'mongodb');
let engine, client, db, admin;
const started = []; // command events, of interest to single tests

before(async () => {
    engine = await serve();
    client = new MongoClient(engine.uri, { monitorCommands: true, maxPoolSize: 100 });
    client.on('commandStarted', (event) => started.push(event));
    db = client.db('driver');
    admin = client.db('admin');
});

after(async () => {
    await client.close();
    await engine.stop();
});

const refused = (code) => (error) => assert.equal(error.code, code) === undefined;

test('a replica set of one is found', async () => {
    const hello = await admin.command({ hello: 1 });
    assert.equal(hello.setName, 'racebench');
    assert.equal(hello.maxWireVersion, 17);
    assert.equal(client.topology.description.type, 'ReplicaSetWithPrimary');
});

test('reads and writes', async () => {
    const c = db.collection('crud');
    const documents = Array.from({ length: 300 }, (_, i) => ({ _id: i, n: i % 7, s: `t${i}` }));
    assert.equal((await c.insertMany(documents)).insertedCount, 300);
    const found = await c.find({ n: 3 }, { sort: { _id: -1 }, projection: { s: 1 }, batchSize: 10 })
        .toArray();
    assert.deepEqual(found.slice(0, 2), [{ _id: 297, s: 't297' }, { _id: 290, s: 't290' }]);
    assert.equal(found.length, 43);
    assert.deepEqual(await c.updateMany({ n: 3 }, { $inc: { n: 10 }, $set: { k: 1 } }),
                     { acknowledged: true, modifiedCount: 43, upsertedId: null, upsertedCount: 0,
                       matchedCount: 43 });
    const upserted = await c.updateOne({ _id: 'new' }, { $set: { n: 1 } }, { upsert: true });
    assert.equal(upserted.upsertedId, 'new');
    assert.equal((await c.replaceOne({ _id: 'new' }, { n: 2 })).modifiedCount, 1);
    assert.deepEqual(await c.findOneAndDelete({ _id: 'new' }), { _id: 'new', n: 2 });
    const bulk = await c.bulkWrite([
        { insertOne: { document: { _id: 1000 } } },
        { updateOne: { filter: { _id: 1 }, update: { $set: { x: 1 } } } },
        { deleteMany: { filter: { n: 13 } } },
    ]);
    assert.deepEqual([bulk.insertedCount, bulk.modifiedCount, bulk.deletedCount], [1, 1, 43]);
    assert.equal(await c.countDocuments({ n: { $lt: 3 } }), 129);
    assert.equal(await c.estimatedDocumentCount(), 258);
    assert.deepEqual((await c.distinct('n', { n: { $gte: 0 } })).sort(), [0, 1, 2, 4, 5, 6]);
    assert.deepEqual(await c.aggregate([{ $match: { n: { $in: [1, 2] } } },
                                        { $group: { _id: '$n', sum: { $sum: 1 } } },
                                        { $sort: { _id: 1 } }]).toArray(),
                     [{ _id: 1, sum: 43 }, { _id: 2, sum: 43 }]);
});

// How often `name` was sent since `from`, and with how many numbers.
function sent(from, name) {
    const events = started.slice(from).filter((event) => event.commandName === name);
    const numbers = new Set(events.map((event) => `${event.command.txnNumber}`));
    return { times: events.length, numbers: numbers.size };
}

test('a write whose connection breaks is sent again and done once', async () => {
    const c = db.collection('retry');
    await c.insertOne({ _id: 1, n: 0 });
    const breaks = [
        ['failCommand', { times: 1 }, { failCommands: ['update'], closeConnection: true }],
        ['onPrimaryTransactionalWrite', { times: 1 }, undefined], // after the commit
        ['failCommand', { times: 1 }, { failCommands: ['update'], errorCode: 91,
                                        errorLabels: ['RetryableWriteError'] }],
    ];
    for (const [i, [name, mode, data]] of breaks.entries()) {
        await configure(admin, name, mode, data);
        const from = started.length;
        await c.updateOne({ _id: 1 }, { $inc: { n: 1 } });
        assert.deepEqual(sent(from, 'update'), { times: 2, numbers: 1 }, name);
        assert.equal((await c.findOne({ _id: 1 })).n, i + 1, name);
    }
    await configure(admin, 'failCommand', { times: 2 },
                    { failCommands: ['update'], closeConnection: true });
    await assert.rejects(c.updateOne({ _id: 1 }, { $inc: { n: 1 } }), /closed/);
    await configure(admin, 'failCommand', { times: 1 },
                    { failCommands: ['find'], closeConnection: true });
    assert.equal((await c.findOne({ _id: 1 })).n, 3); // reads are tried again as well
});

test('transactions that conflict are run again and all count', async () => {
    const c = db.collection('bank');
    await c.insertMany([{ _id: 'a', n: 1000 }, { _id: 'b', n: 0 }]);
    await workers(8, async () => {
        const session = client.startSession();
        for (let i = 0; i < 5; i++)
            await session.withTransaction(async () => {
                const a = await c.findOne({ _id: 'a' }, { session });
                await c.updateOne({ _id: 'a' }, { $set: { n: a.n - 1 } }, { session });
                await c.updateOne({ _id: 'b' }, { $inc: { n: 1 } }, { session });
            });
        await session.endSession();
    });
    assert.deepEqual((await c.find().sort({ _id: 1 }).toArray()).map((d) => d.n), [960, 40]);

    // One conflict for certain: another writes between the transaction's read and its write.
    let tries = 0;
    await client.withSession((session) => session.withTransaction(async () => {
        const a = await c.findOne({ _id: 'a' }, { session });
        if (tries++ === 0)
            await c.updateOne({ _id: 'a' }, { $inc: { n: 100 } });
        await c.updateOne({ _id: 'a' }, { $set: { n: a.n - 1 } }, { session });
    }));
    assert.equal(tries, 2);
    assert.equal((await c.findOne({ _id: 'a' })).n, 1059);
});

test('a conflict is told at once, an abort takes all back', async () => {
    const c = db.collection('conflict');
    await c.insertOne({ _id: 1, n: 0 });
    const first = client.startSession(), second = client.startSession();
    first.startTransaction();
    second.startTransaction();
    await c.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session: first });
    await assert.rejects(c.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session: second }),
                         (error) => error.code === 112 &&
                             error.hasErrorLabel('TransientTransactionError'));
    assert.equal((await c.findOne({ _id: 1 })).n, 0);
    await first.abortTransaction();
    assert.equal((await c.findOne({ _id: 1 })).n, 0);
    await Promise.all([first.endSession(), second.endSession()]);
});

test('indexes', async () => {
    const c = db.collection('indexed');
    assert.equal(await c.createIndex({ name: 1 }, { unique: true }), 'name_1');
    await c.createIndex({ a: 1, b: -1 });
    const names = (await c.indexes()).map((index) => index.name);
    assert.deepEqual(names, ['_id_', 'name_1', 'a_1_b_-1']);
    await c.insertOne({ name: 'x' });
    await assert.rejects(c.insertOne({ name: 'x' }), (error) =>
        error.code === 11000 && error.keyValue.name === 'x' && error.keyPattern.name === 1);
    await c.dropIndex('name_1');
    await c.insertOne({ name: 'x' });
    await assert.rejects(c.dropIndex('name_1'), refused(27));
});

test('what is unknown or not supported is refused with its code', async () => {
    const c = db.collection('refused');
    await c.insertOne({ _id: 1, n: 'text', a: [1] });
    await assert.rejects(db.command({ find: 'refused', nonsense: 1 }), refused(40415));
    await assert.rejects(db.command({ nonsense: 1 }), refused(59));
    await assert.rejects(c.find({ n: { $nonsense: 1 } }).toArray(), refused(2));
    await assert.rejects(c.updateOne({ _id: 1 }, { $nonsense: { n: 1 } }), refused(9));
    await assert.rejects(c.updateOne({ _id: 1 }, { $inc: { n: 1 } }), refused(14));
    await assert.rejects(c.find({}, { collation: { locale: 'de' } }).toArray(), refused(238));
    await assert.rejects(c.updateOne({ _id: 1 }, { $set: { 'a.$[i]': 2 } },
                                     { arrayFilters: [{ i: 1 }] }), refused(238));
    await assert.rejects(c.find({ n: /t/ }).toArray(), refused(238));
    await assert.rejects(db.createCollection('capped', { capped: true, size: 1 }), refused(238));
    await assert.rejects(c.insertOne({ _id: 2 }, { writeConcern: { w: 3 } }), refused(100));
    assert.ok(await c.findOne({ _id: 2 })); // the write is done all the same, as MongoDB does
});

test('a causal session asks for what it has seen', async () => {
    const c = db.collection('causal');
    const session = client.startSession({ causalConsistency: true });
    await c.insertOne({ _id: 1 }, { session });
    assert.ok(session.operationTime.greaterThan(0));
    const from = started.length;
    assert.ok(await c.findOne({ _id: 1 }, { session }));
    assert.ok(started[from].command.readConcern.afterClusterTime);
    await session.endSession();
});

test('100 workers count by findOneAndUpdate; by reading and writing they lose', async () => {
    const c = db.collection('counter'), each = 20;
    await c.insertMany([{ _id: 'right', n: 0 }, { _id: 'wrong', n: 0 }]);
    const seen = (await workers(100, async () => {
        const mine = [];
        for (let i = 0; i < each; i++)
            mine.push((await c.findOneAndUpdate({ _id: 'right' }, { $inc: { n: 1 } },
                                                { returnDocument: 'after' })).n);
        return mine;
    })).flat();
    assert.equal((await c.findOne({ _id: 'right' })).n, 100 * each);
    assert.equal(new Set(seen).size, 100 * each); // each number was given out once
    await workers(100, async () => {
        const { n } = await c.findOne({ _id: 'wrong' });
        await c.updateOne({ _id: 'wrong' }, { $set: { n: n + 1 } });
    });
    assert.ok((await c.findOne({ _id: 'wrong' })).n < 100);
});
