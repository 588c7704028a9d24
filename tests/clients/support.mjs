// SPDX-License-Identifier: Apache-2.0
//
// support: what tests of Node clients share: a `racebench serve` of their own, the packages that
// scripts/clients has installed, fail points, and workers that start together.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

// A package out of build/clients/FOLDER/node_modules.
export function load(folder, name) {
    return createRequire(join(process.env.RACEBENCH_CLIENTS, folder, 'package.json'))(name);
}

// Starts an engine; gives its URI over TCP and a function that ends it, which it must do with 0.
export async function serve() {
    const child = spawn(process.env.RACEBENCH_BINARY, ['serve', '--test-commands'],
                        { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next(); // of the unix socket
    const uri = (await lines.next()).value;
    const ended = new Promise((resolve) => child.on('exit', resolve));
    const stop = async () => {
        child.kill('SIGTERM');
        assert.equal(await ended, 0);
    };
    return { uri, stop };
}

// Sets a fail point: `configure(admin, 'failCommand', { times: 1 }, { failCommands: [...] })`.
export function configure(admin, name, mode, data) {
    return admin.command({ configureFailPoint: name, mode, data: data ?? {} });
}

// Runs `work(number)` in so many workers at once; all their results.
export function workers(count, work) {
    return Promise.all(Array.from({ length: count }, (_, number) => work(number)));
}
