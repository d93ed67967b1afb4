// Line icons on a 20-unit grid. They are decoration: the control beside them has the words.
import type { ComponentChildren } from "preact";

const icon = (children: ComponentChildren) => (props: { class?: string }) => (
  <svg
    class={`icon ${props.class ?? ""}`}
    viewBox="0 0 20 20"
    width="20"
    height="20"
    fill="none"
    stroke="currentColor"
    stroke-width="1.6"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    {children}
  </svg>
);

export const Plus = icon(<path d="M10 4v12M4 10h12" />);
export const ArrowUp = icon(<path d="M10 16V4M5 9l5-5 5 5" />);
export const ArrowDown = icon(<path d="M10 4v12M5 11l5 5 5-5" />);
export const Square = icon(<rect x="5" y="5" width="10" height="10" rx="2" fill="currentColor" />);
export const Chevron = icon(<path d="m6 8 4 4 4-4" />);
export const Copy = icon(
  <>
    <rect x="7" y="7" width="9" height="9" rx="2" />
    <path d="M13 7V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v5a2 2 0 0 0 2 2h1" />
  </>,
);
export const Check = icon(<path d="m4.5 10.5 3.5 3.5 7.5-8" />);
export const Cross = icon(<path d="m5 5 10 10M15 5 5 15" />);
export const Retry = icon(<path d="M15.5 7A6.3 6.3 0 1 0 16 11.5M16 3.5V7h-3.5" />);
export const Pencil = icon(<path d="m4 16 .8-3.4L13 4.4l2.6 2.6-8.2 8.2L4 16Z" />);
export const Code = icon(<path d="m7 6-4 4 4 4M13 6l4 4-4 4" />);
export const Sliders = icon(
  <>
    <path d="M3 6h7M14 6h3M3 14h3M10 14h7" />
    <circle cx="12" cy="6" r="2" />
    <circle cx="8" cy="14" r="2" />
  </>,
);
export const Image = icon(
  <>
    <rect x="3" y="4" width="14" height="12" rx="2" />
    <path d="m4 14 3.8-3.8a1 1 0 0 1 1.4 0L13 14m-1.5-1.5 1.3-1.3a1 1 0 0 1 1.4 0L17 14" />
    <circle cx="12.5" cy="7.5" r="1" />
  </>,
);
export const User = icon(
  <>
    <circle cx="10" cy="7" r="3" />
    <path d="M4 16.5c.8-2.8 3.2-4 6-4s5.2 1.2 6 4" />
  </>,
);
export const Google = icon(<path d="M16.5 9.9h-6.2M14.6 5.4a6.4 6.4 0 1 0 1.9 4.5" />);
export const Key = icon(
  <>
    <circle cx="7" cy="13" r="3.2" />
    <path d="m9.3 10.7 6.2-6.2M13 7l2.2 2.2M15.5 4.5 17 6" />
  </>,
);
export const Star = icon(<path d="m10 3.5 2 4.2 4.6.6-3.4 3.2.9 4.6L10 13.8l-4.1 2.3.9-4.6-3.4-3.2 4.6-.6 2-4.2Z" />);
export const Sun = icon(
  <>
    <circle cx="10" cy="10" r="3.2" />
    <path d="M10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M4.7 15.3l1-1M14.3 5.7l1-1" />
  </>,
);
export const Moon = icon(<path d="M16 11.5A6.5 6.5 0 0 1 8.5 4a6.5 6.5 0 1 0 7.5 7.5Z" />);
export const Screen = icon(
  <>
    <rect x="3" y="4" width="14" height="9.5" rx="1.5" />
    <path d="M7.5 16.5h5" />
  </>,
);
export const Clock = icon(
  <>
    <circle cx="10" cy="10" r="6.5" />
    <path d="M10 6.5V10l2.5 1.5" />
  </>,
);
export const Gauge = icon(
  <>
    <path d="M4.2 15a7 7 0 1 1 11.6 0" />
    <path d="m10 11.5 3-4" />
    <circle cx="10" cy="11.5" r="1" />
  </>,
);
export const Chat = icon(<path d="M4 5.5h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H9.5L6 17.5v-3H4a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z" />);
export const Search = icon(
  <>
    <circle cx="9" cy="9" r="4.5" />
    <path d="m12.5 12.5 4 4" />
  </>,
);
export const Warning = icon(<path d="M10 3.5 17.5 16h-15L10 3.5ZM10 8.5v3.5M10 14v.01" />);
export const Shield = icon(<path d="M10 3 4 5.5v4c0 3.7 2.5 6.3 6 7.5 3.5-1.2 6-3.8 6-7.5v-4L10 3Z" />);
export const Tool = icon(<path d="M12.5 3.5a4 4 0 0 0-3.8 5.3L3.5 14l2.5 2.5 5.2-5.2a4 4 0 0 0 5.3-3.8l-2.3 1.3-2-2L13.5 4.5Z" />);

/** The mark: one line in, three ways on, one of them taken. */
export const Mark = () => (
  <svg class="mark" viewBox="0 0 32 32" width="28" height="28" fill="none" stroke-width="2.4" stroke-linecap="round" aria-hidden="true">
    <path class="faint" d="M11 16c5.5 0 4-9 9.5-9H27" />
    <path class="faint" d="M11 16c5.5 0 4 9 9.5 9H27" />
    <path class="lit" d="M4 16h19" />
    <circle class="end" cx="26.5" cy="16" r="3.2" />
  </svg>
);
