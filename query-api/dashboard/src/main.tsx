import { render } from "preact";
import { Page } from "./page";
import "./styles/base.css";
import "./styles/panel.css";
import "./styles/parts.css";
import "./styles/search.css";
import { restoreTheme } from "./theme";

restoreTheme();
const page = document.getElementById("page");
if (page) render(<Page />, page);
