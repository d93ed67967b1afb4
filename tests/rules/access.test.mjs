// Every decided path, every role, every operation.
import { after, before, describe, test } from "node:test";
import { assertFails, assertSucceeds } from "@firebase/rules-unit-testing";
import {
  collection,
  collectionGroup,
  deleteDoc,
  doc,
  documentId,
  getDoc,
  getDocs,
  limit,
  orderBy,
  query,
  setDoc,
  updateDoc,
  where,
} from "firebase/firestore";
import { collectionOf, decisions, openWorld, OWNER, pathOf } from "./world.mjs";

let world;
before(async () => {
  world = await openWorld("rules-access");
  for (const decided of Object.keys(decisions)) await world.put(pathOf(decided), {});
});
after(() => world.close());

const OPERATIONS = {
  get: (db, path) => getDoc(doc(db, path)),
  list: (db, path) => getDocs(collection(db, collectionOf(path))),
  create: (db, path) => setDoc(doc(db, `${collectionOf(path)}/new`), {}),
  replace: (db, path) => setDoc(doc(db, path), {}),
  update: (db, path) => updateDoc(doc(db, path), { prioritize: "speed" }),
  delete: (db, path) => deleteDoc(doc(db, path)),
};
// What the owner may do, by decision; nobody else may do anything.
const ALLOWED = {
  closed: [],
  owner_gets: ["get"],
  owner_reads: ["get", "list"],
  owner_writes: ["get", "list", "replace", "update", "delete"],
};

for (const [decided, decision] of Object.entries(decisions)) {
  describe(`${decided}: ${decision}`, () => {
    for (const role of ["owner", "nobody", "anonymous", "other", "admin"]) {
      test(role, async () => {
        for (const [name, operation] of Object.entries(OPERATIONS)) {
          const allowed = role === "owner" && ALLOWED[decision].includes(name);
          const checked = allowed ? assertSucceeds : assertFails;
          const done = operation(world.roles[role], pathOf(decided));
          await named(`${role} ${name} ${decided}`, checked(done));
        }
      });
    }
  });
}

// A failure that says which of the many it was.
async function named(what, outcome) {
  await outcome.catch((error) => {
    throw new Error(`${what}: ${error.message}`, { cause: error });
  });
}

for (const [who, uid, claims] of [
  ["an anonymous account", "visitor", { firebase: { sign_in_provider: "anonymous" } }],
  ["an administrator", "root", { admin: true }],
]) {
  test(`${who} reads its own and no more than any owner`, async () => {
    const db = world.as(uid, claims);
    for (const [decided, decision] of Object.entries(decisions)) {
      if (!decided.startsWith("users/")) continue;
      const path = pathOf(decided, uid);
      const checked = decision === "closed" ? assertFails : assertSucceeds;
      await named(`${who} get ${path}`, checked(getDoc(doc(db, path))));
    }
    await assertFails(setDoc(doc(db, `users/${uid}/jobs/one`), {}));
    await assertSucceeds(setDoc(doc(db, `users/${uid}/settings/preferences`), {}));
  });
}

test("owners page and filter their jobs as pages do", async () => {
  const jobs = collection(world.roles.owner, `users/${OWNER}/jobs`);
  await assertSucceeds(getDocs(query(jobs, orderBy("created", "desc"), limit(20))));
  await assertSucceeds(getDocs(query(jobs, where("state", "==", "queued"))));
});

test("users are not listed, not even down to the own one", async () => {
  const users = collection(world.roles.owner, "users");
  await assertFails(getDocs(query(users, where(documentId(), "==", OWNER))));
});

test("nobody asks across users, for the own documents neither", async () => {
  for (const name of ["jobs", "conversations", "turns", "memories", "settings", "violations"]) {
    for (const db of Object.values(world.roles)) {
      await assertFails(getDocs(collectionGroup(db, name)));
    }
  }
  const mine = query(collectionGroup(world.roles.owner, "jobs"), where("uid", "==", OWNER));
  await assertFails(getDocs(mine));
});

test("a collection nobody has decided on is closed, below a user too", async () => {
  const own = `users/${OWNER}`;
  for (const path of ["later/one", `${own}/later/one`, `${own}/jobs/one/later/one`]) {
    await world.put(path, {});
    for (const db of Object.values(world.roles)) {
      await assertFails(getDoc(doc(db, path)));
      await assertFails(setDoc(doc(db, path), {}));
    }
  }
});
