// Pictures from the picker, the clipboard or a drop, made small enough to send.
import type { Picture } from "./state/conversation.ts";

/** Vision models scale to about this anyway; more only costs upload time and tokens. */
const LONGEST_SIDE = 1568;
const KEEP_BYTES = 1_000_000;
export const MAX_PICTURES = 6;
export const ACCEPTED = ["image/png", "image/jpeg", "image/webp"];

/** Reads a file into a data URL, resized and re-encoded when it is large. Raises Error in plain words. */
export async function toPicture(file: File): Promise<Picture> {
  const name = file.name || "pasted image";
  if (!ACCEPTED.includes(file.type)) {
    throw new Error(`${name} is not a PNG, JPEG or WebP image.`);
  }
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => {
    throw new Error(`${name} cannot be read as an image.`);
  });
  try {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const width = Math.max(1, Math.round(bitmap.width * scale));
    const height = Math.max(1, Math.round(bitmap.height * scale));
    if (scale === 1 && file.size <= KEEP_BYTES) {
      return { name, url: await dataUrl(file), width, height };
    }
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const paper = canvas.getContext("2d");
    if (!paper) throw new Error("This browser cannot resize images.");
    paper.fillStyle = "#fff"; // JPEG has no transparency
    paper.fillRect(0, 0, width, height);
    paper.drawImage(bitmap, 0, 0, width, height);
    return { name, url: canvas.toDataURL("image/jpeg", 0.85), width, height };
  } finally {
    bitmap.close();
  }
}

function dataUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

/** A small bar chart, drawn here, so that the image example works without a file at hand. */
export function sampleChart(): Picture {
  const canvas = document.createElement("canvas");
  const [width, height] = [640, 400];
  canvas.width = width;
  canvas.height = height;
  const paper = canvas.getContext("2d");
  if (!paper) throw new Error("This browser cannot draw images.");
  paper.fillStyle = "#fffdf8";
  paper.fillRect(0, 0, width, height);
  paper.font = "600 22px sans-serif";
  paper.fillStyle = "#1b1d1f";
  paper.fillText("Rainfall in Lisbon, mm", 40, 48);
  const months: [string, number][] = [["Oct", 101], ["Nov", 127], ["Dec", 108], ["Jan", 99], ["Feb", 87], ["Mar", 66]];
  paper.font = "17px sans-serif";
  paper.textAlign = "center";
  months.forEach(([month, millimetres], index) => {
    const x = 88 + index * 94;
    const tall = millimetres * 1.9;
    paper.fillStyle = month === "Nov" ? "#0b7a63" : "#a9cfc4";
    paper.fillRect(x - 30, 350 - tall, 60, tall);
    paper.fillStyle = "#1b1d1f";
    paper.fillText(String(millimetres), x, 340 - tall);
    paper.fillText(month, x, 376);
  });
  return { name: "rainfall.png", url: canvas.toDataURL("image/png"), width, height };
}
