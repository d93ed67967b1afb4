// Markdown to safe HTML, block by block, so that a growing answer only redraws its last block.
//
// An answer is foreign text: raw HTML in it is shown as text, links keep to http(s) and mailto,
// pictures load from this origin or data: alone (a picture's address could carry data away), and
// everything passes DOMPurify before it reaches the page.
import DOMPurify from "dompurify";
import { Marked, Renderer, type Token, type TokensList } from "marked";

export type Block =
  | { kind: "code"; language: string; text: string; closed: boolean }
  | { kind: "html"; html: string };

/** Inline tags without attributes that models like to write in tables. */
const HARMLESS_TAG = /^<\/?(br|sub|sup|kbd|u|mark)\s*\/?>$/i;

const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const marked = new Marked({
  gfm: true,
  renderer: {
    html({ text }) {
      return HARMLESS_TAG.test(text.trim()) ? text : escapeHtml(text);
    },
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + 1); // the page's own heading stays the only first one
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    image({ href, title, text }) {
      const label = escapeHtml(text || "image");
      const hint = title ? ` title="${escapeHtml(title)}"` : "";
      return isOwnPicture(href)
        ? `<img src="${escapeHtml(href)}" alt="${label}"${hint}>`
        : `<a href="${escapeHtml(href)}"${hint}>${label}</a>`;
    },
    table(token) {
      const html = Renderer.prototype.table.call(this, token);
      return `<div class="table" tabindex="0">${html}</div>`; // scrolls on its own, by keyboard too
    },
  },
});

function isOwnPicture(address: string): boolean {
  if (/^data:image\/(png|jpeg|webp|gif);base64,/i.test(address)) return true;
  try {
    return new URL(address, location.href).origin === location.origin;
  } catch {
    return false;
  }
}

const purifier = DOMPurify(window);
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
  // Task lists have boxes; no other field may stand in an answer.
  if (node.nodeName === "INPUT" && node.getAttribute("type") !== "checkbox") node.remove();
});

/** HTML that is safe to insert, as the browser's own proof type where it has one. */
export function purify(html: string): string {
  return purifier.sanitize(html, {
    ALLOWED_TAGS: [
      "a", "blockquote", "br", "code", "del", "div", "em", "h2", "h3", "h4", "h5", "h6", "hr",
      "img", "input", "kbd", "li", "mark", "ol", "p", "pre", "span", "strong", "sub", "sup", "table",
      "tbody", "td", "th", "thead", "tr", "u", "ul",
    ],
    ALLOWED_ATTR: ["align", "alt", "checked", "class", "disabled", "href", "src", "start", "tabindex", "title", "type"],
    // DOMPurify asks this of every attribute, so values without a scheme must pass.
    ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto):|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
    RETURN_TRUSTED_TYPE: true,
  }) as unknown as string;
}

/** The blocks of a text. `closed` is false for a fence whose end has not come yet. */
export function blocks(text: string): Block[] {
  const tokens = marked.lexer(text);
  const found: Block[] = [];
  for (const token of tokens) {
    if (token.type === "space" || token.type === "def") continue;
    if (token.type === "code") {
      const language = String(token.lang ?? "").split(/\s/)[0] ?? "";
      const fenced = /^ {0,3}(`{3,}|~{3,})/.exec(token.raw)?.[1];
      const closed = !fenced || token.raw.trimEnd().endsWith(`\n${fenced}`);
      found.push({ kind: "code", language, text: String(token.text), closed });
    } else {
      found.push({ kind: "html", html: html(token, tokens.links) });
    }
  }
  return found;
}

function html(token: Token, links: TokensList["links"]): string {
  return marked.parser(Object.assign([token], { links }));
}
