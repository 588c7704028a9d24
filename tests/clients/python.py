# SPDX-License-Identifier: Apache-2.0
"""pymongo 4 against `racebench serve`, by its own public functions alone: reads and writes,
retryable writes whose connection breaks before and after the commit, transactions that conflict,
indexes, refusals, causal sessions, and threads on one counter, with the wrong way of counting
beside the right one."""
import os
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from pymongo import ASCENDING, DESCENDING, InsertOne, MongoClient, ReturnDocument, UpdateOne
from pymongo import monitoring
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure, WriteConcernError
from pymongo.write_concern import WriteConcern


class Commands(monitoring.CommandListener):
    """What was sent: (name, command)."""

    def __init__(self):
        self.sent = []

    def started(self, event):
        self.sent.append((event.command_name, event.command))

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass

    def numbers(self, name, start):
        """The transaction numbers of the commands of a name since `start`."""
        return [command.get("txnNumber") for sent, command in self.sent[start:] if sent == name]


class Python(unittest.TestCase):
    """One server and one client for all tests, a collection for each."""

    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen([os.environ["RACEBENCH_BINARY"], "serve", "--test-commands"],
                                      stdout=subprocess.PIPE, text=True)
        lines = [cls.server.stdout.readline().strip() for _ in range(2)]
        cls.commands = Commands()
        cls.client = MongoClient(lines[1], event_listeners=[cls.commands])

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.terminate()
        cls.server.stdout.close()
        assert cls.server.wait() == 0

    def setUp(self):
        self.c = self.client.python[self._testMethodName]

    def configure(self, name, mode, data):
        self.client.admin.command("configureFailPoint", name, mode=mode, data=data)

    def assert_code(self, code, call, *arguments, **options):
        with self.assertRaises(OperationFailure) as raised:
            call(*arguments, **options)
        self.assertEqual(raised.exception.code, code)

    def test_replica_set(self):
        hello = self.client.admin.command("hello")
        self.assertEqual(hello["setName"], "racebench")
        self.assertEqual(self.client.topology_description.topology_type_name,
                         "ReplicaSetWithPrimary")
        with MongoClient(*self.client.address, replicaSet="racebench") as named:
            named.admin.command("ping")
        with MongoClient(*self.client.address, directConnection=True) as direct:
            direct.admin.command("ping")
            self.assertEqual(direct.topology_description.topology_type_name, "Single")

    def test_reads_and_writes(self):
        c = self.c
        c.insert_many([{"_id": i, "n": i % 7, "s": f"t{i}"} for i in range(300)])
        found = list(c.find({"n": 3}, {"s": 1}, sort=[("_id", DESCENDING)], batch_size=10))
        self.assertEqual(found[:2], [{"_id": 297, "s": "t297"}, {"_id": 290, "s": "t290"}])
        self.assertEqual(len(found), 43)
        result = c.update_many({"n": 3}, {"$inc": {"n": 10}})
        self.assertEqual((result.matched_count, result.modified_count), (43, 43))
        self.assertEqual(c.update_one({"_id": "new"}, {"$set": {"n": 1}}, upsert=True).upserted_id,
                         "new")
        self.assertEqual(c.replace_one({"_id": "new"}, {"n": 2}).modified_count, 1)
        self.assertEqual(c.find_one_and_delete({"_id": "new"}), {"_id": "new", "n": 2})
        bulk = c.bulk_write([InsertOne({"_id": 1000}), UpdateOne({"_id": 1}, {"$set": {"x": 1}})])
        self.assertEqual((bulk.inserted_count, bulk.modified_count), (1, 1))
        self.assertEqual(c.delete_many({"n": 13}).deleted_count, 43)
        self.assertEqual(c.count_documents({"n": {"$lt": 3}}), 129)
        self.assertEqual(c.estimated_document_count(), 258)
        self.assertEqual(sorted(c.distinct("n", {"n": {"$gte": 0}})), [0, 1, 2, 4, 5, 6])
        groups = c.aggregate([{"$match": {"n": {"$in": [1, 2]}}},
                              {"$group": {"_id": "$n", "sum": {"$sum": 1}}},
                              {"$sort": {"_id": 1}}])
        self.assertEqual(list(groups), [{"_id": 1, "sum": 43}, {"_id": 2, "sum": 43}])

    def test_retryable_writes(self):
        self.c.insert_one({"_id": 1, "n": 0})
        breaks = [
            ("failCommand", {"failCommands": ["update"], "closeConnection": True}),
            ("onPrimaryTransactionalWrite", {}),  # after the commit
            ("failCommand", {"failCommands": ["update"], "errorCode": 91,
                             "errorLabels": ["RetryableWriteError"]}),
        ]
        for count, (name, data) in enumerate(breaks, start=1):
            self.configure(name, {"times": 1}, data)
            start = len(self.commands.sent)
            self.c.update_one({"_id": 1}, {"$inc": {"n": 1}})
            numbers = self.commands.numbers("update", start)
            self.assertEqual(len(numbers), 2, name)
            self.assertEqual(numbers[0], numbers[1], name)
            self.assertEqual(self.c.find_one({"_id": 1})["n"], count, name)
        self.configure("failCommand", {"times": 2}, breaks[0][1])
        with self.assertRaises(AutoReconnect):
            self.c.update_one({"_id": 1}, {"$inc": {"n": 1}})
        self.configure("failCommand", {"times": 1},
                       {"failCommands": ["find"], "closeConnection": True})
        self.assertEqual(self.c.find_one({"_id": 1})["n"], 3)  # reads are tried again as well

    def test_transactions(self):
        self.c.insert_many([{"_id": "a", "n": 1000}, {"_id": "b", "n": 0}])
        tries = []

        def move(session):
            tries.append(1)
            a = self.c.find_one({"_id": "a"}, session=session)
            self.c.update_one({"_id": "a"}, {"$set": {"n": a["n"] - 1}}, session=session)
            self.c.update_one({"_id": "b"}, {"$inc": {"n": 1}}, session=session)

        def work(_):
            with self.client.start_session() as session:
                for _ in range(5):
                    session.with_transaction(move)

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        self.assertEqual([d["n"] for d in self.c.find(sort=[("_id", ASCENDING)])], [960, 40])

        # One conflict for certain: another commits between the read and the write.
        tries.clear()

        def race(session):
            tries.append(1)
            a = self.c.find_one({"_id": "a"}, session=session)
            if len(tries) == 1:
                self.c.update_one({"_id": "a"}, {"$inc": {"n": 100}})
            self.c.update_one({"_id": "a"}, {"$set": {"n": a["n"] - 1}}, session=session)

        with self.client.start_session() as session:
            session.with_transaction(race)
        self.assertEqual(len(tries), 2)
        self.assertEqual(self.c.find_one({"_id": "a"})["n"], 1059)

    def test_conflict(self):
        self.c.insert_one({"_id": 1, "n": 0})
        with self.client.start_session() as first, self.client.start_session() as second:
            first.start_transaction()
            second.start_transaction()
            self.c.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=first)
            with self.assertRaises(OperationFailure) as raised:
                self.c.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=second)
            self.assertEqual(raised.exception.code, 112)
            self.assertTrue(raised.exception.has_error_label("TransientTransactionError"))
            first.abort_transaction()
        self.assertEqual(self.c.find_one({"_id": 1})["n"], 0)

    def test_creation(self):
        db, c = self.client.python, self.c
        with self.client.start_session() as session:
            session.start_transaction()
            db.create_collection(c.name, session=session)
            c.create_index("n", unique=True, session=session)
            c.insert_one({"_id": 1, "n": 1}, session=session)
            self.assertNotIn(c.name, db.list_collection_names())
            session.abort_transaction()
            self.assertNotIn(c.name, db.list_collection_names())
            with session.start_transaction():
                c.insert_one({"_id": 1, "n": 1}, session=session)
                self.assertNotIn(c.name, db.list_collection_names())
            self.assertIn(c.name, db.list_collection_names())
            self.assertEqual(list(c.index_information()), ["_id_"])
            c.insert_one({"_id": 2, "n": 1})

    def test_indexes(self):
        self.assertEqual(self.c.create_index("name", unique=True), "name_1")
        self.c.create_index([("a", ASCENDING), ("b", DESCENDING)])
        self.assertEqual(list(self.c.index_information()), ["_id_", "name_1", "a_1_b_-1"])
        self.c.insert_one({"name": "x"})
        with self.assertRaises(DuplicateKeyError) as raised:
            self.c.insert_one({"name": "x"})
        self.assertEqual(raised.exception.details["keyValue"], {"name": "x"})
        self.c.drop_index("name_1")
        self.c.insert_one({"name": "x"})
        self.assert_code(27, self.c.drop_index, "name_1")

    def test_refusals(self):
        c, db = self.c, self.client.python
        c.insert_one({"_id": 1, "n": "text"})
        self.assert_code(40415, db.command, "find", c.name, nonsense=1)
        self.assert_code(59, db.command, "nonsense")
        self.assert_code(2, c.find_one, {"n": {"$nonsense": 1}})
        self.assert_code(9, c.update_one, {"_id": 1}, {"$nonsense": {"n": 1}})
        self.assert_code(14, c.update_one, {"_id": 1}, {"$inc": {"n": 1}})
        self.assert_code(238, c.find_one, {"n": {"$regex": "t"}})
        self.assert_code(238, c.find_one, {}, collation={"locale": "de"})
        self.assert_code(238, db.create_collection, "capped", capped=True, size=1)
        with self.assertRaises(WriteConcernError) as raised:
            c.with_options(write_concern=WriteConcern(w=3)).insert_one({"_id": 2})
        self.assertEqual(raised.exception.code, 100)
        self.assertIsNotNone(c.find_one({"_id": 2}))  # it is done all the same, as in MongoDB

    def test_causal_session(self):
        with self.client.start_session(causal_consistency=True) as session:
            self.c.insert_one({"_id": 1}, session=session)
            self.assertIsNotNone(session.operation_time)
            start = len(self.commands.sent)
            self.assertIsNotNone(self.c.find_one({"_id": 1}, session=session))
            self.assertEqual(self.commands.sent[start][1]["readConcern"]["afterClusterTime"],
                             session.operation_time)

    def test_counter(self):
        self.c.insert_many([{"_id": "right", "n": 0}, {"_id": "wrong", "n": 0}])

        def right(_):
            return self.c.find_one_and_update({"_id": "right"}, {"$inc": {"n": 1}},
                                              return_document=ReturnDocument.AFTER)["n"]

        def wrong(_):
            n = self.c.find_one({"_id": "wrong"})["n"]
            self.c.update_one({"_id": "wrong"}, {"$set": {"n": n + 1}})

        with ThreadPoolExecutor(20) as threads:
            self.assertEqual(sorted(threads.map(right, range(400))), list(range(1, 401)))
            list(threads.map(wrong, range(400)))
        self.assertLess(self.c.find_one({"_id": "wrong"})["n"], 400)


if __name__ == "__main__":
    unittest.main()
