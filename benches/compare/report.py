"""The table, the picture and all figures of a comparison."""

import json
import os
from html import escape
from math import log10

# Okabe and Ito 2008, without the yellow: also for the colour-blind.
COLORS = ["#0072b2", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#777777", "#000000"]
ORDER = ["nnc", "PyTorch eager", "PyTorch compiled", "JAX", "ONNX Runtime", "burn", "candle", "dfdx"]
RUST = ["burn", "candle", "dfdx"]
TITLES = {"train": "Training step", "infer": "Inference"}
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
# Numbers that an optimizer keeps of each parameter.
STATES = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
# A share of what the machine does at most, from which it is said to be the bound.
BOUND = 0.3
# Bytes that the nearest cache holds: what is smaller is not said to wait for memory.
NEAR = 32 << 10
BEGIN, END = "<!-- benches/compare/run --readme -->", "<!-- until here -->"


def time(us):
    """Microseconds with three digits, or all that stand before the point."""
    if us >= 1000:
        return f"{us:,.0f}"
    return f"{us:.{0 if us >= 100 else 1 if us >= 10 else 2 if us >= 1 else 3}f}"


def ratio_text(ratio):
    return f"{ratio:.{0 if ratio >= 100 else 1 if ratio >= 10 else 2}f}"


def best(row, names):
    """The fastest of these frameworks, and how many times as long as nnc it takes."""
    found = {name: row["figures"][name]["us"] for name in names if name in row["figures"]}
    if not found or "nnc" not in row["figures"]:
        return None, None
    name = min(found, key=found.get)
    return name, found[name] / row["figures"]["nnc"]["us"]


def touched_bytes(row):
    """What lies in memory of parameters and, in training, of the optimizer."""
    from networks import NETWORKS

    states = STATES[NETWORKS[row["network"]].optimizer] if row["what"] == "train" else 0
    return 4 * row["parameters"] * (1 + states)


def moved_bytes(row):
    """What has to be read and written of it at least: by an update all of it both ways, after the products read weights."""
    weights = 4 * row["parameters"]
    return 2 * touched_bytes(row) + weights if row["what"] == "train" else weights


def shares(row, result):
    """Of the peak, and of the bandwidth."""
    seconds = row["figures"]["nnc"]["us"] / 1e6
    return row["flops"] / 1e9 / seconds / result["peak_gflops"], moved_bytes(row) / 1e9 / seconds / row["bandwidth"]


def bound(row, result):
    arithmetic, memory = shares(row, result)
    if arithmetic >= BOUND and arithmetic >= memory:
        return "arithmetic"
    return "bandwidth" if memory >= BOUND and touched_bytes(row) > NEAR else "latency"


def line(row):
    """A row for the terminal."""
    figures = [f"{name} {time(row['figures'][name]['us'])}" for name in ORDER if name in row["figures"]]
    _, ratio = best(row, ORDER[1:])
    return f"{row['what']} {row['batch']}: " + ", ".join(figures) + (f"; ratio {ratio:.2f}" if ratio else "")


def table(head, rows):
    """Numbers to the right, but for the first column."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def conditions(result):
    names = [name for name in ORDER if name in result["versions"]]
    versions = ", ".join(f"{name.removesuffix(' eager')} {result['versions'][name]}" for name in names if name != "PyTorch compiled")
    threads = "One thread, pinned to a core" if result["threads"] == 1 else f"{result['threads']} threads, pinned to as many cores"
    rounds = f"the quietest of {result['rounds']} rounds in which all take turns" if result["rounds"] > 1 else "one round"
    return [
        f"{result['machine']}; {result['date']}.",
        f"{versions}; rustc {result['rustc']}, Python {result['python']}.",
        f"{threads}; f32; microseconds, {rounds}.",
    ]


def short_table(result):
    """Who is next to nnc, and by how much."""
    rows = []
    for row in result["rows"]:
        name, ratio = best(row, ORDER[1:])
        _, rust = best(row, RUST)
        arithmetic, _ = shares(row, result)
        cells = [f"{row['network']}, {row['what']} {row['batch']}", time(row["figures"]["nnc"]["us"])]
        cells += [time(row["figures"][name]["us"]), name, f"**{ratio_text(ratio)}**"] if name else ["–", "–", "–"]
        cells += [ratio_text(rust) if rust else "–", f"{arithmetic:.0%}", bound(row, result)]
        rows.append(cells)
    return table(["network, batch", "nnc", "best other", "which", "ratio", "ratio to the best in Rust", "share of peak", "bound by"], rows)


def markdown(result, picture):
    text = ["# nnc and other frameworks", "", *conditions(result)]
    text.append(f"The peak was {result['peak_gflops']:.0f} GFLOP/s, with {result['instructions']}.")
    text.append("")
    if result["is_quick"]:
        text += ["**A quick run: it says that everything works, and nothing about speed.**", ""]
    text += [f"Left out: {line}.  " for line in result["missing"]] + ([""] if result["missing"] else [])
    text += [f"![Time of other frameworks as a multiple of nnc's]({picture})", "", *short_table(result)]
    text += ["The ratio is the time of the fastest other framework over that of nnc: above 1 nnc is faster.", ""]
    for what, title in TITLES.items():
        rows = [row for row in result["rows"] if row["what"] == what]
        shown = [name for name in ORDER if any(name in row["figures"] for row in rows)]
        if not rows:
            continue
        text += [f"## {title}", "", "Microseconds; the best of the others is bold.", ""]
        body = []
        for row in rows:
            first, _ = best(row, ORDER[1:])
            cells = [time(row["figures"][name]["us"]) if name in row["figures"] else "–" for name in shown]
            cells = [f"**{cell}**" if name == first else cell for name, cell in zip(shown, cells)]
            body.append([f"{row['network']}, {row['batch']}", *cells])
        text += table(["network, batch", *shown], body)
    text += machine_part(result) + equality_part(result) + variant_part(result)
    if result["notes"]:
        text += ["## Not measured", "", *[f"- {note}" for note in result["notes"]], ""]
    return "\n".join(text)


def machine_part(result):
    """What bounds nnc."""
    rows = []
    for row in result["rows"]:
        arithmetic, memory = shares(row, result)
        us = row["figures"]["nnc"]["us"]
        cells = [f"{row['network']}, {row['what']} {row['batch']}", f"{row['flops'] / us / 1e3:.1f}", f"{arithmetic:.0%}"]
        cells += [f"{touched_bytes(row) / 1e3:,.1f}", f"{moved_bytes(row) / us / 1e3:.1f}", f"{row['bandwidth']:.0f}", f"{memory:.0%}"]
        rows.append([*cells, bound(row, result)])
    head = ["network, batch", "GFLOP/s", "share of peak", "kB", "GB/s", "of at most", "share", "bound by"]
    explained = [
        "## nnc and the machine",
        "",
        "Operations are those of the samples, not of the optimizer; the peak is that of fused multiply-adds on registers.",
        "A convolution counts as its formula does. Of 3 x 3 places nnc computes it with fewer products (Winograd), so that a share can be more than all.",
        "kB are parameters and what the optimizer keeps of them, GB/s how fast they pass when each is read and written as rarely as can be, and at most what reading as much memory over and over reaches.",
        f"Where neither share reaches {BOUND:.0%}, or memory's does and the nearest cache holds it all, it is called latency: waiting for results, functions such as exp, and what a call costs.",
        "",
    ]
    return explained + table(head, rows)


def equality_part(result):
    """That all compute the same."""
    rows = []
    for row in result["rows"]:
        losses = " → ".join(f"{loss:.6f}" for loss in row["losses"])
        apart = f"{row['apart']:.0e}" if "apart" in row else "–"
        rows.append([f"{row['network']}, {row['what']} {row['batch']}", f"{row['parameters']:,}", losses, apart])
    explained = [
        "## The same network",
        "",
        "Every variant starts from the same weights and samples. Its number of parameters and its loss, in training also that after a step, have to be those of nnc.",
        "The last column says how far the losses of the others were apart at most; with dropout, in training, they may by a tenth.",
        "",
    ]
    return explained + table(["network, batch", "parameters", "loss of nnc", "relative difference"], rows)


def variant_part(result):
    text = ["## The fastest variants", "", "| network, batch | variants |", "|---|---|"]
    for row in result["rows"]:
        variants = [f"{name}: {row['figures'][name]['variant']}" for name in ORDER if row["figures"].get(name, {}).get("variant")]
        text.append(f"| {row['network']}, {row['what']} {row['batch']} | {'; '.join(variants) or '–'} |")
    spread = max((row["figures"]["nnc"]["spread"] for row in result["rows"]), default=0)
    return [*text, "", f"The slowest round of nnc took at most {spread:.0%} longer than the quietest.", ""]


def svg(result):
    """A line for each row, with a dot for each framework: its time over that of nnc, on an axis of powers."""
    rows = [row for row in result["rows"] if "nnc" in row["figures"] and len(row["figures"]) > 1]
    names = [name for name in ORDER[1:] if any(name in row["figures"] for row in rows)]
    left, width, step, gap, top = 150, 560, 18, 8, 104
    ratios = [
        {name: row["figures"][name]["us"] / row["figures"]["nnc"]["us"] for name in names if name in row["figures"]} for row in rows
    ]
    every = [value for line in ratios for value in line.values()]
    highest, lowest = 1.15 * max([*every, 10.0]), min([*every, 1.0]) / 1.3
    decades = log10(highest / lowest)

    def x(value):
        return left + width * log10(value / lowest) / decades

    parts, y = [], top
    for n, (row, line) in enumerate(zip(rows, ratios)):
        if n and row["network"] != rows[n - 1]["network"]:
            y += gap
        middle = y + step / 2
        parts.append(words(left - 12, middle + 4, f"{row['network']}, {row['what']} {row['batch']}", "end"))
        parts.append(f'<path d="M{x(min(line.values())):.1f} {middle}H{x(max(line.values())):.1f}" stroke="#d0d7de"/>')
        # The fastest lies on top.
        for name, value in sorted(line.items(), key=lambda item: -item[1]):
            color = COLORS[ORDER.index(name)]
            parts.append(f'<circle cx="{x(value):.1f}" cy="{middle}" r="5" fill="{color}" stroke="#ffffff"/>')
        parts.append(words(left + width + 46, middle + 4, ratio_text(min(line.values())), "end", color="#1f2328"))
        y += step
    lines = [words(left + width + 46, top - 12, "the best", "end")]
    for power in range(-2, 7):
        for factor in (1, 2, 5):
            value = factor * 10.0**power
            if lowest <= value <= highest and (factor == 1 or decades < 2.5):
                color = "#57606a" if value == 1 else "#e6e9ed"
                lines.append(f'<path d="M{x(value):.1f} {top - 6}V{y + 4}" stroke="{color}"/>')
                lines.append(words(x(value), top - 12, f"{value:g}", "middle"))
    legend, place = [], 18
    for name in names:
        legend.append(f'<circle cx="{place + 5}" cy="63" r="5" fill="{COLORS[ORDER.index(name)]}"/>')
        legend.append(words(place + 15, 67, name))
        place += 30 + 7 * len(name)
    total, height = max(left + width + 64, place + 10), y + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" width="{total}" height="{height}" '
        f'role="img" font-family="{FONT}">'
    )
    title = "Time of other frameworks, as a multiple of nnc's"
    threads = "one thread" if result["threads"] == 1 else f"{result['threads']} threads"
    about = f"{result['machine']}; {result['date']}; {threads}; right of 1 is slower than nnc"
    ground = f'<rect x="0.5" y="0.5" width="{total - 1}" height="{height - 1}" rx="6" fill="#ffffff" stroke="#d0d7de"/>'
    body = [f"<title>{escape(title)}</title>", ground, words(18, 30, title, size=17, color="#1f2328"), words(18, 47, about)]
    return "\n".join([head, *body, *legend, *lines, *parts, "</svg>"]) + "\n"


def words(x, y, text, anchor="start", size=12, color="#57606a"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}">{escape(text)}</text>'


def write(result, folder, machine):
    """Writes the files of a run, each whole or not at all, and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"json": json.dumps(result, indent=1) + "\n", "svg": svg(result), "md": markdown(result, f"{machine}.svg")}
    written = []
    for ending, text in texts.items():
        path = folder / f"{machine}.{ending}"
        beside = folder / f".{machine}.{ending}.part"
        beside.write_text(text)
        written.append((beside, path))
    for beside, path in written:
        os.replace(beside, path)
    return [path for _, path in written]


def put_into(readme, result, picture):
    """Replaces what stands between the two marks of a file."""
    text = readme.read_text()
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    part = [BEGIN, "", *conditions(result), "", *short_table(result), f"![Time of other frameworks as a multiple of nnc's]({picture})", ""]
    part += [f"[All figures]({picture.removesuffix('.svg')}.md), of every framework.", END]
    beside = readme.with_name(f".{readme.name}.part")
    beside.write_text(before + "\n".join(part) + after)
    os.replace(beside, readme)
