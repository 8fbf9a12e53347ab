// A list whose elements are kept by key: rows that stay are not made anew, and rows in their place are not moved.

export class KeyedList {
  #nodes = new Map();

  constructor(parent, { keyOf, make, update }) {
    this.parent = parent;
    this.keyOf = keyOf;
    this.make = make;
    this.update = update;
  }

  node(key) {
    return this.#nodes.get(key);
  }

  show(items) {
    this.#remove(new Set(items.map(this.keyOf)));
    let next = this.parent.firstElementChild;
    for (const item of items) {
      const node = this.#nodeOf(item);
      this.update(node, item);
      if (node === next) next = next.nextElementSibling;
      else this.parent.insertBefore(node, next);
    }
  }

  #remove(kept) {
    for (const [key, node] of this.#nodes) {
      if (kept.has(key)) continue;
      node.remove();
      this.#nodes.delete(key);
    }
  }

  #nodeOf(item) {
    const key = this.keyOf(item);
    if (!this.#nodes.has(key)) this.#nodes.set(key, this.make(item));
    return this.#nodes.get(key);
  }
}
