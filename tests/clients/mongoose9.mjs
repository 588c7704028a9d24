// SPDX-License-Identifier: Apache-2.0
//
// mongoose9: mongoose 9 against `racebench serve`: `optimisticConcurrency` sees every stale save
// and loses no update, where the same schema without it does; unique indexes made by a model;
// transactions of a connection.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { load, serve, workers } from './support.mjs';

const mongoose = load('mongoose9', 'mongoose');
let engine;

before(async () => {
    engine = await serve();
    await mongoose.connect(engine.uri, { dbName: 'mongoose9' });
});

after(async () => {
    await mongoose.disconnect();
    await engine.stop();
});

const fields = {
    name: { type: String, unique: true },
    n: { type: Number, default: 0 },
    list: [Number],
};
const Guarded = mongoose.model('Guarded', new mongoose.Schema(fields,
                                                              { optimisticConcurrency: true }));
const Plain = mongoose.model('Plain', new mongoose.Schema(fields));

// Loads, changes and saves until it is saved; the number of saves that were found stale.
async function add_one(Model, name) {
    for (let stale = 0;; stale++) {
        const document = await Model.findOne({ name });
        document.n += 1;
        try {
            await document.save();
            return stale;
        } catch (error) {
            if (!(error instanceof mongoose.Error.VersionError))
                throw error;
        }
    }
}

test('the second of two saves of one version is refused', async () => {
    await Guarded.create({ name: 'two' });
    const [first, second] = await workers(2, () => Guarded.findOne({ name: 'two' }));
    first.n = 10;
    second.n = 15;
    await first.save();
    await assert.rejects(second.save(), mongoose.Error.VersionError);
    const stored = await Guarded.findOne({ name: 'two' });
    assert.deepEqual([stored.n, stored.__v], [10, 1]);
});

test('without the option the same two saves lose one', async () => {
    await Plain.create({ name: 'two' });
    const [first, second] = await workers(2, () => Plain.findOne({ name: 'two' }));
    first.n = 10;
    second.list = [1];
    second.n = 15;
    await first.save();
    await second.save();
    assert.equal((await Plain.findOne({ name: 'two' })).n, 15);
});

test('50 workers that save concurrently lose no update, and some saves were stale', async () => {
    await Guarded.create({ name: 'many' });
    const stale = await workers(50, () => add_one(Guarded, 'many'));
    const stored = await Guarded.findOne({ name: 'many' });
    assert.deepEqual([stored.n, stored.__v], [50, 50]);
    assert.ok(stale.reduce((sum, n) => sum + n) > 0);
});

test('without the option they do lose', async () => {
    await Plain.create({ name: 'many' });
    await workers(50, () => add_one(Plain, 'many'));
    assert.ok((await Plain.findOne({ name: 'many' })).n < 50);
});

test('a document that has gone is not saved again', async () => {
    const document = await Guarded.create({ name: 'gone' });
    await Guarded.deleteOne({ name: 'gone' });
    document.n = 1;
    await assert.rejects(document.save(), mongoose.Error.VersionError);
    assert.equal(await Guarded.countDocuments({ name: 'gone' }), 0);
});

test('a unique index of a schema is made and holds', async () => {
    await Guarded.init();
    await Guarded.create({ name: 'unique' });
    await assert.rejects(Guarded.create({ name: 'unique' }), (error) => error.code === 11000);
    assert.deepEqual((await Guarded.listIndexes()).map((index) => index.name), ['_id_', 'name_1']);
});

test('a transaction of the connection is all or nothing', async () => {
    await Guarded.create({ name: 'a', n: 5 });
    await Guarded.create({ name: 'b' });
    const move = (amount) => mongoose.connection.transaction(async (session) => {
        const a = await Guarded.findOne({ name: 'a' }).session(session);
        const b = await Guarded.findOne({ name: 'b' }).session(session);
        a.n -= amount;
        await a.save({ session });
        if (a.n < 0)
            throw new Error('too much');
        b.n += amount;
        await b.save({ session });
    });
    await move(3);
    await assert.rejects(move(3), /too much/);
    const stored = await Guarded.find({ name: { $in: ['a', 'b'] } }).sort({ name: 1 });
    assert.deepEqual(stored.map((document) => document.n), [2, 3]);
});
