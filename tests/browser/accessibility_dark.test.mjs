// Every view in dark colours.
import { checkEveryView } from "./support/accessibility.mjs";

checkEveryView("dark");
