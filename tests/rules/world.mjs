// The emulator with firestore.rules loaded, everybody who may come along, and one document at every
// decided path. FIRESTORE_EMULATOR_HOST says where the emulator is.
import { readFileSync } from "node:fs";
import { initializeTestEnvironment } from "@firebase/rules-unit-testing";
import { doc, setDoc, setLogLevel } from "firebase/firestore";

setLogLevel("silent"); // refusals are what is tested

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

export const OWNER = "alice";
export const decisions = JSON.parse(read("./decisions.json"));

// A document's path of a decided one. The id of settings is not the one that can be written.
export const pathOf = (decided, uid = OWNER) =>
  decided.replace("{uid}", uid).replaceAll("{id}", "one");

export const collectionOf = (path) => path.slice(0, path.lastIndexOf("/"));

export async function openWorld(projectId) {
  const host = process.env.FIRESTORE_EMULATOR_HOST;
  if (!host) throw new Error("set FIRESTORE_EMULATOR_HOST to the address of a Firestore emulator");
  const [hostname, port] = host.split(":");
  const environment = await initializeTestEnvironment({
    projectId,
    firestore: { host: hostname, port: Number(port), rules: read("../../firestore.rules") },
  });
  return {
    // Role to a database as somebody in that role sees it. Beside the owner: everybody who must see
    // nothing of the owner's.
    roles: {
      owner: environment.authenticatedContext(OWNER).firestore(),
      nobody: environment.unauthenticatedContext().firestore(),
      anonymous: as(environment, "visitor", { firebase: { sign_in_provider: "anonymous" } }),
      other: as(environment, "bob", {}),
      admin: as(environment, "root", { admin: true }),
    },
    as: (uid, claims = {}) => as(environment, uid, claims),
    put: (path, data) =>
      environment.withSecurityRulesDisabled((free) => setDoc(doc(free.firestore(), path), data)),
    clear: () => environment.clearFirestore(),
    close: () => environment.cleanup(),
  };
}

function as(environment, uid, claims) {
  return environment.authenticatedContext(uid, claims).firestore();
}
