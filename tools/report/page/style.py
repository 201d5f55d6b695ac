"""The page's style: light and dark, as the reader's system says; figures and tables that fit a phone."""

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#57606a;--line:#d0d7de;--panel:#f6f8fa;--link:#0550ae;
--c0:#1f6feb;--c1:#bc4c00;--c2:#1a7f37;--c3:#8250df;--c4:#bf3989;--c5:#6e7781;--warn:#9a3412;--load:#1f6feb22;
--idle:#6e778118}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9da7b3;--line:#3d444d;--panel:#161b22;
--link:#79b8ff;--c0:#58a6ff;--c1:#f0883e;--c2:#56d364;--c3:#bc8cff;--c4:#ff7bbf;--c5:#a0a8b2;--warn:#ffa657;
--load:#58a6ff2e;--idle:#a0a8b21f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
header,main,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--bg);padding:.3rem .6rem}
h1{font-size:1.6rem;margin:1.4rem 0 .2rem}
h2{font-size:1.3rem;margin:2.4rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--line);overflow-wrap:anywhere}
h3{font-size:1rem;margin:0 0 .4rem}
.soft,figcaption{color:var(--soft);font-size:.875rem}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1rem;list-style:none;padding:0}
nav a{overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.6rem;margin:0 0 1rem;padding:0}
.tiles div{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:.5rem .7rem}
.tiles dt{color:var(--soft);font-size:.8rem}
.tiles dd{margin:0;overflow-wrap:anywhere;font-size:1.15rem;font-weight:600;font-variant-numeric:tabular-nums}
.grid-of{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:1rem;margin-bottom:1rem}
.grid-of>:last-child:nth-child(odd){grid-column:1/-1}
figure,.card{margin:0;background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:.7rem;min-width:0}
.card{margin-bottom:1rem}
svg{display:block;width:100%;height:auto;max-width:32rem;margin:0 auto}
.scroll{overflow-x:auto;border-radius:4px}
table{border-collapse:collapse;font-size:.875rem;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-weight:600;vertical-align:bottom}
tbody th{font-weight:600}
tr>th:first-child{position:sticky;left:0;background:var(--panel)}
.narrow table{width:auto;min-width:min(100%,24rem)}
.n{text-align:right}
td.n,tbody th.n,.w{white-space:nowrap}
td.s{white-space:normal}
td,tbody th{max-width:min(26rem,60vw);overflow-wrap:break-word}
.bar{display:inline-block;width:6rem;height:.6rem;margin-left:.5rem;background:var(--line);border-radius:2px}
.bar i{display:block;height:100%;background:var(--c0);border-radius:2px}
.warn{border-left:4px solid var(--warn);padding:.4rem .8rem;background:var(--panel);margin:0 0 1rem}
.warn ul{margin:.2rem 0;padding-left:1.2rem}
details summary{cursor:pointer;font-weight:600;padding:.3rem 0}
text{fill:var(--fg);font:12px system-ui,sans-serif}
.tick,.label{fill:var(--soft)}
.name,.point{font-size:12px;paint-order:stroke;stroke:var(--panel);stroke-width:3px}
.point{font-size:11px;font-weight:700;fill:var(--fg)}
.grid{stroke:var(--line);stroke-width:1}
.c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}.c5{--c:var(--c5)}
.line{fill:none;stroke:var(--c);stroke-width:2}
.thin{stroke-width:1.2}
.area{fill:var(--c);fill-opacity:.45;stroke:var(--c);stroke-width:.5}
.dot,.block{fill:var(--c);fill-opacity:.55;stroke:var(--c);stroke-width:1}
.block{stroke:var(--panel);stroke-width:.6;fill-opacity:.8}
.roof{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:6 4}
.mark{stroke:var(--fg);stroke-width:2}
.p99{stroke-dasharray:3 2;stroke-width:1.5}
.load{fill:var(--load)}.idle{fill:var(--idle)}
@media print{body{font-size:11px}figure,.card{break-inside:avoid}}
@media(max-width:30rem){header,main,footer{padding:0 .7rem}th,td{padding:.25rem .4rem}
.narrow .w,.narrow td.n{white-space:normal}
.narrow td{overflow-wrap:anywhere}}
"""
