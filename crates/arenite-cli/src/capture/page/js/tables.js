// Tables: sorted by a click on a head, shown piece by piece.

// `columns`: { name, of(row) → value, show(value, row) → text, first: sorts upwards at first, cell(row) → a whole cell, bar }.
function table(options) {
  const { columns, rows, sorted, piece = 25, name } = options;
  let state = { column: sorted ?? -1, down: true, shown: piece, rows };
  const body = element('tbody');
  const more = element('p', { class: 'hint' });
  const heads = columns.map((column, place) => {
    const sort = () => {
      const down = state.column === place ? !state.down : !column.first;
      state = { ...state, column: place, down };
      draw();
    };
    const button = element('button', { type: 'button', class: 'sort', click: sort }, column.name);
    return element('th', { scope: 'col', title: column.title }, column.of ? button : column.name);
  });
  const made = element('table', { 'data-table': name }, element('thead', {}, element('tr', {}, heads)), body);

  function order() {
    const column = columns[state.column];
    if (!column || !column.of) return state.rows;
    const sign = state.down ? -1 : 1;
    return [...state.rows].sort((a, b) => {
      const [x, y] = [column.of(a), column.of(b)];
      return sign * (typeof x === 'string' ? x.localeCompare(y) : x - y);
    });
  }

  function cell(column, row) {
    if (column.cell) return column.cell(row);
    const value = column.of(row);
    const text = column.show ? column.show(value, row) : String(value);
    const bar = column.bar && column.bar(row) > 0.004
      ? element('i', { class: 'bar', 'data-share': column.bar(row).toFixed(4) }) : null;
    if (bar) bar.style.width = `${(100 * Math.min(1, column.bar(row))).toFixed(1)}%`;
    return element('td', { 'data-value': typeof value === 'number' ? value : null, class: bar ? 'barred' : null }, bar, element('span', {}, text));
  }

  function draw() {
    heads.forEach((head, place) => {
      if (place === state.column) head.setAttribute('aria-sort', state.down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    const all = order();
    const shown = all.slice(0, state.shown);
    body.replaceChildren(...shown.map((row) => element('tr', {}, columns.map((column) => cell(column, row)))));
    more.replaceChildren();
    if (all.length === 0) more.append(options.empty || 'Nothing.');
    if (all.length > shown.length) {
      const next = () => {
        state = { ...state, shown: state.shown + 4 * piece };
        draw();
      };
      more.append(`${count(shown.length)} of ${count(all.length)} rows. `, element('button', { type: 'button', click: next }, 'Show more'));
    }
  }

  draw();
  const whole = element('div', { class: 'wide' }, made, more);
  whole.update = (changed) => {
    state = { ...state, rows: changed, shown: piece };
    draw();
  };
  return whole;
}

// Buttons of which one is pressed.
function choice(label, entries, chosen, choose) {
  const buttons = entries.map(([value, text]) => element('button', {
    type: 'button', 'data-choice': value, 'aria-pressed': String(value === chosen), click: () => choose(value),
  }, text));
  const made = element('div', { class: 'choice', role: 'group', 'aria-label': label }, buttons);
  made.press = (value) => {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.choice === value));
  };
  return made;
}

// Columns that several tables have.
const columnOf = {
  site: () => ({ name: 'call site', cell: (row) => siteCell(row.site) }),
  bytes: (name, key, all) => ({
    name, of: (row) => row[key], bar: all ? (row) => row[key] / all : null,
    show: (value, row) => ((row[`${key}_within`] ?? null) === null ? bytes(value) : ranged(value, row[`${key}_within`])),
  }),
  count: (name, key) => ({ name, of: (row) => row[key], show: count }),
  text: (name, key) => ({ name, of: (row) => row[key], first: true }),
};
