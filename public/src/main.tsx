import { render } from "preact";
import { App } from "./ui/App.tsx";

const place = document.getElementById("app");
if (place) render(<App />, place);
