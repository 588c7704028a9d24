// SPDX-License-Identifier: Apache-2.0
//
// mongoose6: the plugins mongoose-lock-release and mongoose-update-if-current, as npm has them,
// with mongoose 6 (the last that both work with), against `racebench serve`. What their own tests
// and their users' ask for must hold, and the holes that strategies/*_compat are convicted of must
// be the plugins' own: they show here as well.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { load, serve, workers } from './support.mjs';

const mongoose = load('mongoose6', 'mongoose');
const lock_release = load('mongoose6', 'mongoose-lock-release');
const { updateIfCurrentPlugin } = load('mongoose6', 'mongoose-update-if-current');
const { VersionError, DocumentNotFoundError } = mongoose.Error;
let engine;

before(async () => {
    engine = await serve();
    mongoose.set('strictQuery', false);
    await mongoose.connect(engine.uri, { dbName: 'mongoose6' });
});

after(async () => {
    await mongoose.disconnect();
    await engine.stop();
});

// mongoose-lock-release ------------------------------------------------------------------------

const order = new mongoose.Schema({ user: String, done: { type: Number, default: 0 } });
order.plugin(lock_release, 'Order');
const Order = mongoose.model('Order', order);
const lock = (document, ms) => promisify(document.lock.bind(document))(ms);
const release = (document) => promisify(document.release.bind(document))();

test('lock-release: locks, refuses, releases', async () => {
    const document = await Order.create({ user: 'a' });
    const locked = await lock(document, 100000);
    assert.ok(locked.locked > new Date());
    assert.equal(await lock(document, 100000), null);
    assert.ok(await release(document));
    assert.ok(await lock(document, 100000));
});

test('lock-release: of 20 locks at once one succeeds, 10 times', async () => {
    const document = await Order.create({ user: 'b' });
    for (let round = 0; round < 10; round++) {
        const got = await workers(20, () => lock(document, 100000));
        assert.equal(got.filter((one) => one !== null).length, 1);
        await release(document);
    }
});

test('lock-release: an expired lock can be taken, and its late release frees another', async () => {
    const document = await Order.create({ user: 'c' });
    assert.ok(await lock(document, 1));
    let second = null;
    while (second === null) // until the millisecond is over
        second = await lock(document, 100000);
    assert.equal(await lock(document, 100000), null);
    await release(document); // the first holder's: by _id alone
    assert.ok(await lock(document, 100000)); // a third works beside the second: upstream's hole
});

test('lock-release: post-processing under the lock is done once', async () => {
    const document = await Order.create({ user: 'd' });
    await workers(20, async () => {
        if (await lock(document, 100000) !== null)
            await Order.updateOne({ _id: document._id }, { $inc: { done: 1 } });
    });
    assert.equal((await Order.findById(document._id)).done, 1);
});

// mongoose-update-if-current -------------------------------------------------------------------

const ticket = new mongoose.Schema({ title: String, price: Number });
ticket.set('versionKey', 'version');
ticket.plugin(updateIfCurrentPlugin);
const Ticket = mongoose.model('Ticket', ticket);
const Copy = mongoose.model('Copy', ticket.clone()); // the consumer's own

test('update-if-current: a stale save is refused, the first one stays', async () => {
    const { id } = await Ticket.create({ title: 'Concert', price: 5 });
    const first = await Ticket.findById(id), second = await Ticket.findById(id);
    first.set({ price: 10 });
    second.set({ price: 15 });
    await first.save();
    await assert.rejects(second.save(), VersionError);
    assert.equal((await Ticket.findById(id)).price, 10);
});

test('update-if-current: each save counts, changed or not; the first is 0', async () => {
    const document = await Ticket.create({ title: 'Concert', version: 7 });
    const versions = [document.version];
    for (let i = 0; i < 2; i++)
        versions.push((await document.save()).version);
    assert.deepEqual(versions, [0, 1, 2]);
});

test('update-if-current: 20 workers that save concurrently lose no update', async () => {
    const { id } = await Ticket.create({ title: 'Concert', price: 0 });
    let stale = 0;
    await workers(20, async () => {
        for (;;) {
            const document = await Ticket.findById(id);
            document.price += 1;
            try {
                return await document.save();
            } catch (error) {
                assert.ok(error instanceof VersionError, error);
                stale++;
            }
        }
    });
    const stored = await Ticket.findById(id);
    assert.deepEqual([stored.price, stored.version], [20, 20]);
    assert.ok(stale > 0);
});

// The listener of the ticketing course: acknowledged when it does not throw.
async function on_updated(event) {
    const copy = await Copy.findOne({ _id: event.id, version: event.version - 1 });
    if (copy === null)
        throw new Error('Ticket not found');
    copy.set({ title: event.title, price: event.price });
    await copy.save();
}

test('update-if-current: events are applied in order, however they come in', async () => {
    const document = await Ticket.create({ title: 't', price: 0 });
    await Copy.create({ _id: document.id, title: 't', price: 0 });
    let events = [];
    for (let price = 1; price <= 6; price++) {
        document.set({ price });
        await document.save();
        events.push({ id: document.id, title: 't', price, version: document.version });
    }
    events.reverse();
    let refusals = 0;
    for (let round = 0; events.length > 0; round++) { // delivered again until acknowledged
        assert.ok(round < 10);
        const again = [];
        for (const event of events)
            await on_updated(event).catch(() => { refusals++; again.push(event); });
        events = again;
    }
    const copy = await Copy.findById(document.id);
    assert.deepEqual([copy.price, copy.version, refusals], [6, 6, 15]);
});

test('update-if-current: an event that comes twice is applied and acknowledged once', async () => {
    const { id } = await Copy.create({ title: 't', price: 0 });
    const event = { id, title: 't', price: 9, version: 1 };
    await on_updated(event);
    await assert.rejects(on_updated(event), /not found/);
    await assert.rejects(on_updated({ ...event, version: 10 }), /not found/);
    assert.equal((await Copy.findById(id)).version, 1);
});

test('update-if-current: two listeners at one event, one applies it', async () => {
    const { id } = await Copy.create({ title: 't', price: 0 });
    const ended = await Promise.allSettled([1, 2, 3, 4].map((price) =>
        on_updated({ id, title: 't', price, version: 1 })));
    assert.equal(ended.filter((one) => one.status === 'fulfilled').length, 1);
    assert.equal((await Copy.findById(id)).version, 1);
});

test('update-if-current: by time stamps', async () => {
    const schema = new mongoose.Schema({ price: Number }, { timestamps: true });
    schema.plugin(updateIfCurrentPlugin, { strategy: 'timestamp' });
    const Stamped = mongoose.model('Stamped', schema);
    const { id } = await Stamped.create({ price: 1 });
    const first = await Stamped.findById(id), second = await Stamped.findById(id);
    while (Date.now() <= first.updatedAt.getTime()) // one millisecond tells nothing apart
        await new Promise((resolve) => setTimeout(resolve, 1));
    first.price = 2;
    second.price = 3;
    await first.save();
    await assert.rejects(second.save(), DocumentNotFoundError);
    assert.equal((await Stamped.findById(id)).price, 2);
});
