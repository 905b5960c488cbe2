import { parseArgs } from "node:util";

const USAGE = `node dashboard.mjs <base-url> [options]

Opens <base-url>/dashboard in Chromium, wide and narrow, light and dark, and checks it. Exit code 0 when everything is good.

  --token T          bearer token of an editor or admin, for the projections
  --expect-live      the figures, the live figures and the feed must be there; without it they may be in trouble and say so
  --command-api URL  with --token: publishes a note there, looks for it in the search and the feed, and deletes it
  --out FOLDER       where the pictures go (default: out)
  --chromium PATH    the browser (default: /usr/bin/chromium)
  --help             this`;

/** What was asked for on the command line; prints how to ask and ends if it cannot be understood. */
export function options() {
    try {
        const { values, positionals } = parseArgs({
            allowPositionals: true,
            options: {
                token: { type: "string" },
                "expect-live": { type: "boolean", default: false },
                "command-api": { type: "string" },
                out: { type: "string", default: "out" },
                help: { type: "boolean", default: false },
                chromium: { type: "string", default: "/usr/bin/chromium" },
            },
        });
        if (values.help) {
            console.log(USAGE);
            process.exit(0);
        }
        if (positionals.length !== 1) throw new Error("exactly one base URL is needed");
        return {
            base: new URL(positionals[0]).origin,
            token: values.token,
            expectLive: values["expect-live"],
            commandApi: values["command-api"],
            out: values.out,
            chromium: values.chromium,
        };
    } catch (error) {
        console.error(`${error.message}\n\n${USAGE}`);
        process.exit(2);
    }
}
