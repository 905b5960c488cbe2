/** One line for each check, and whether all were good. */
export class Report {
    #failed = 0;
    #done = 0;

    /** Runs a check that throws when something is wrong. A later check runs also after an earlier one has failed. */
    async check(name, run) {
        this.#done += 1;
        try {
            const found = await run();
            console.log(`good    ${name}${typeof found === "string" ? ` (${found})` : ""}`);
        } catch (error) {
            this.#failed += 1;
            // The log of Playwright's calls says less than the name of the check.
            const [what] = error.message.split("\nCall log:");
            console.log(`FAILED  ${name}: ${what.trim().replace(/\n/g, "\n        ")}`);
        }
    }

    end() {
        console.log(this.#failed === 0 ? `all ${this.#done} checks are good` : `${this.#failed} of ${this.#done} checks failed`);
        return this.#failed === 0;
    }
}

export function assert(isTrue, otherwise) {
    if (!isTrue) throw new Error(otherwise);
}
