import { render } from "preact";
import { Dashboard } from "./admin/Dashboard.tsx";

const place = document.getElementById("app");
if (place) render(<Dashboard />, place);
