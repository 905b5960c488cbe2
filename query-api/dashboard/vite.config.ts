import { defineConfig, type Connect, type Plugin, type ProxyOptions } from "vite";

const queries = process.env.GROOT_QUERY_API ?? "http://127.0.0.1:3002";

const proxy: Record<string, ProxyOptions> = {
    "/api": { target: queries },
    "/ws": { target: queries, ws: true },
};

/** What query-api sends with the page, so that a preview breaks where the real one would. */
const policy =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** query-api serves the page at /dashboard; Vite alone knows it under /dashboard/ only. */
function withoutSlash(): Plugin {
    const rewrite: Connect.NextHandleFunction = (request, _response, next) => {
        request.url = request.url?.replace(/^\/dashboard(?=$|\?)/, "/dashboard/");
        next();
    };
    return {
        name: "without-slash",
        configureServer: (server) => void server.middlewares.use(rewrite),
        configurePreviewServer: (server) => void server.middlewares.use(rewrite),
    };
}

export default defineConfig({
    base: "/dashboard/",
    plugins: [withoutSlash()],
    esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
    build: {
        target: "es2022",
        // An image in a data: address is against the policy.
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        reportCompressedSize: true,
    },
    server: { proxy },
    preview: { proxy, headers: { "Content-Security-Policy": policy } },
});
