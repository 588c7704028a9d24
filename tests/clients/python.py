# SPDX-License-Identifier: Apache-2.0
"""pymongo 4 against `racebench serve`, by its own public functions alone: reads and writes,
retryable writes whose connection breaks before and after the commit, transactions that conflict,
indexes, refusals, causal sessions, and threads on one counter, with the wrong way of counting
beside the right one; and what documents mean: the order of values of different types, null and
missing, arrays and dotted paths, numbers, upserts, what clients and tools ask a server for."""
import datetime
import os
import re
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
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


class Server(unittest.TestCase):
    """One server and one client for all tests of a class, a collection for each."""

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


class Python(Server):
    """What a client does."""

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


class Documents(Server):
    """What documents mean; expected values are MongoDB 6.0's."""

    def ids(self, query, **options):
        return [document["_id"] for document in self.c.find(query, **options)]

    def fill(self, *values):
        self.c.insert_many([{"_id": i, "v": v} for i, v in enumerate(values)])

    def test_order_of_types(self):
        ordered = [MinKey(), None, -1, Int64(2), 2.5, Decimal128("3"), "a", "b", {"a": 1},
                   {"a": 2}, b"x", ObjectId("0" * 24), False, True,
                   datetime.datetime(2020, 1, 1), Timestamp(1, 1), MaxKey()]
        self.fill(*reversed(ordered))
        wanted = list(reversed(range(len(ordered))))
        self.assertEqual(self.ids({}, sort=[("v", ASCENDING)]), wanted)
        self.assertEqual(self.ids({}, sort=[("v", DESCENDING)]), wanted[::-1])
        # Conditions compare within one type alone.
        self.assertEqual([self.c.find_one({"_id": i})["v"] for i in self.ids({"v": {"$gt": "a"}})],
                         ["b"])
        self.assertEqual(self.c.count_documents({"v": {"$lt": 100}}), 4)
        self.assertEqual(self.c.count_documents({"v": {"$type": "number"}}), 4)

    def test_null_and_missing(self):
        self.c.insert_many([{"_id": 0}, {"_id": 1, "v": None}, {"_id": 2, "v": 1},
                            {"_id": 3, "v": [None]}, {"_id": 4, "v": []}])
        self.assertEqual(self.ids({"v": None}), [0, 1, 3])
        self.assertEqual(self.ids({"v": {"$exists": False}}), [0])
        self.assertEqual(self.ids({"v": {"$ne": None}}), [2, 4])
        self.assertEqual(self.ids({"v": {"$lte": 5}}), [2])
        self.assertEqual(self.ids({"v": {"$type": "null"}}), [1, 3])

    def test_arrays_and_paths(self):
        self.fill([1, 5], [{"x": 1}, {"x": 7}], {"x": [2, 3]}, [[1, 5]])
        self.assertEqual(self.ids({"v": 5}), [0])
        self.assertEqual(self.ids({"v": [1, 5]}), [0, 3])
        self.assertEqual(self.ids({"v.x": {"$gt": 2}}), [1, 2])
        self.assertEqual(self.ids({"v.1.x": 7}), [1])
        self.assertEqual(self.ids({"v": {"$size": 2}}), [0, 1])
        self.assertEqual(self.ids({"v": {"$elemMatch": {"$gt": 1, "$lt": 6}}}), [0])
        self.assertEqual(self.ids({"v": {"$elemMatch": {"x": {"$gt": 5}}}}), [1])
        self.c.update_one({"_id": 0}, {"$addToSet": {"v": {"$each": [5, 6]}}})
        self.c.update_one({"_id": 1}, {"$pull": {"v": {"x": {"$lt": 5}}}})
        self.c.update_one({"_id": 2}, {"$set": {"v.x.3": 9, "v.y.z": 1}})
        self.assertEqual([d["v"] for d in self.c.find()],
                         [[1, 5, 6], [{"x": 7}], {"x": [2, 3, None, 9], "y": {"z": 1}}, [[1, 5]]])
        self.assert_code(28, self.c.update_one, {"_id": 0}, {"$set": {"v.x": 1}})
        self.assert_code(40, self.c.update_one, {"_id": 0}, {"$set": {"v": 1}, "$inc": {"v.x": 1}})
        self.assert_code(66, self.c.update_one, {"_id": 0}, {"$set": {"_id": 9}})

    def test_numbers(self):
        self.fill(2**31 - 1, Int64(2**63 - 1), 1, 1, 1.5, "text")
        increments = {0: 1, 2: Int64(1), 3: 0.5, 4: 1}
        for key, by in increments.items():
            self.c.update_one({"_id": key}, {"$inc": {"v": by}})
        values = {d["_id"]: d["v"] for d in self.c.find()}
        self.assertEqual([values[key] for key in increments], [2**31, 2, 1.5, 2.5])
        self.assertEqual(self.ids({"v": {"$type": "long"}}), [0, 1, 2])
        self.assertEqual(self.ids({"v": {"$type": "double"}}), [3, 4])
        self.assert_code(2, self.c.update_one, {"_id": 1}, {"$inc": {"v": 1}})
        self.assert_code(14, self.c.update_one, {"_id": 5}, {"$inc": {"v": 1}})
        self.assertEqual(self.c.find_one({"_id": 1})["v"], 2**63 - 1)
        self.assertEqual(self.ids({"v": 2.0}), [2])
        with self.assertRaises(DuplicateKeyError):
            self.c.insert_one({"_id": 2.0})  # the same number is the same key

    def test_upserts(self):
        self.c.update_one({"_id": 1, "a": 5, "b.c": 6, "d": {"$gt": 1}, "e": {"$eq": 7},
                           "$and": [{"f": 8}]},
                          {"$set": {"x": 1}, "$setOnInsert": {"y": 2}}, upsert=True)
        self.assertEqual(self.c.find_one(), {"_id": 1, "a": 5, "b": {"c": 6}, "e": 7, "f": 8,
                                             "x": 1, "y": 2})
        # A held lock: the filter does not match, the key is there.
        with self.assertRaises(DuplicateKeyError):
            self.c.update_one({"_id": 1, "a": {"$lt": 5}}, {"$set": {"x": 2}}, upsert=True)
        # Equality on a unique key: the server itself tries again, and nobody sees a duplicate.
        self.c.create_index("u", unique=True)

        def count(_):
            self.c.update_one({"u": "one"}, {"$inc": {"n": 1}}, upsert=True)

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(count, range(400)))
        self.assertEqual(self.c.count_documents({"u": "one"}), 1)
        self.assertEqual(self.c.find_one({"u": "one"})["n"], 400)

    def test_lists(self):
        self.fill([1, 2], 2, None, {"a": 1})
        self.assertEqual(self.c.distinct("v"), [None, 1, 2, {"a": 1}])
        databases = {d["name"] for d in self.client.list_databases()}
        self.assertIn("python", databases)
        self.c.create_index([("a", ASCENDING), ("v", DESCENDING)])
        self.assertEqual([index["name"] for index in self.c.list_indexes()], ["_id_", "a_1_v_-1"])
        self.c.drop_indexes()
        self.assertEqual([index["name"] for index in self.c.list_indexes()], ["_id_"])
        stages = [{"$match": {"_id": {"$gte": 0}}}, {"$project": {"k": {"$add": ["$_id", 1]}}},
                  {"$sort": {"k": -1}}, {"$skip": 1}, {"$limit": 2},
                  {"$group": {"_id": None, "all": {"$push": "$k"}, "sum": {"$sum": "$k"}}}]
        self.assertEqual(list(self.c.aggregate(stages)), [{"_id": None, "all": [3, 2], "sum": 5}])
        self.assertEqual(list(self.c.aggregate([{"$count": "n"}])), [{"n": 4}])

    def test_questions(self):
        admin = self.client.admin
        self.assertEqual(admin.command("getParameter", featureCompatibilityVersion=1)
                         ["featureCompatibilityVersion"]["version"], "6.0")
        self.assert_code(72, admin.command, "getParameter", nonsense=1)
        self.assertIn("not MongoDB", admin.command("getLog", "startupWarnings")["log"][0])
        self.assertEqual(admin.command("connectionStatus")["authInfo"]["authenticatedUsers"], [])
        self.assertIn(":", admin.command("whatsmyuri")["you"])
        self.assertEqual(admin.command("serverStatus")["process"], "racebench")
        self.assertEqual(admin.command("hostInfo")["system"]["hostname"], "racebench")
        status = admin.command("replSetGetStatus")
        self.assertEqual((status["set"], status["members"][0]["stateStr"]),
                         ("racebench", "PRIMARY"))
        self.assertTrue(self.client.server_info()["racebench"])
        with self.client.start_session() as session:
            session.start_transaction()
            self.c.insert_one({"_id": 1}, session=session)
            admin.command("killSessions", [session.session_id])
            with self.assertRaises(OperationFailure):
                session.commit_transaction()
        self.assertIsNone(self.c.find_one())

    def test_refused(self):
        c, db = self.c, self.client.python
        c.insert_one({"_id": 1, "v": [1, 2]})
        german = {"locale": "de"}
        self.assert_code(238, c.update_one, {}, {"$set": {"v.$[x]": 1}},
                         array_filters=[{"x": 1}])
        self.assert_code(238, c.update_one, {}, {"$set": {"v": 1}}, collation=german)
        self.assert_code(238, c.count_documents, {}, collation=german)
        self.assert_code(238, c.distinct, "v", {}, collation=german)
        self.assert_code(238, c.find_one, {"v": re.compile("a")})
        self.assert_code(238, c.create_index, "v", expireAfterSeconds=1)
        self.assert_code(238, c.create_index, "v", sparse=True)
        self.assert_code(67, c.create_index, [("v", "text")])
        self.assert_code(238, db.create_collection, "view", viewOn=c.name, pipeline=[])
        self.assert_code(238, db.create_collection, "series", timeseries={"timeField": "t"})
        self.assert_code(238, c.watch)
        self.assert_code(238, lambda: list(c.aggregate([{"$out": "x"}])))
        self.assert_code(238, lambda: list(c.aggregate([{"$lookup": {
            "from": "x", "localField": "v", "foreignField": "v", "as": "x"}}])))
        self.assert_code(40324, lambda: list(c.aggregate([{"$nonsense": 1}])))
        self.assertEqual(c.find_one(), {"_id": 1, "v": [1, 2]})  # nothing of it was done


if __name__ == "__main__":
    unittest.main()
