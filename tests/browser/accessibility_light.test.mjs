// Every view in light colours.
import { checkEveryView } from "./support/accessibility.mjs";

checkEveryView("light");
