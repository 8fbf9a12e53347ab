// Bodies that are not shown whole: long texts by their length, large ones by their ends.

export const ENDS_KEPT = "Only the beginning and the end of this request were kept: newer ones took its place in memory.";

// Whether the server has more of a body than it shows.
export const isShortened = (text) => / characters \.\.\.| bytes are left out \.\.\./.test(text);
