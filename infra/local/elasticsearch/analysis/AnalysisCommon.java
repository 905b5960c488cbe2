package groot.local.elasticsearch;

import java.util.Map;
import java.util.function.Function;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.LowerCaseFilter;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.core.WhitespaceTokenizer;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.apache.lucene.analysis.en.EnglishPossessiveFilter;
import org.apache.lucene.analysis.en.PorterStemFilter;
import org.apache.lucene.analysis.miscellaneous.ASCIIFoldingFilter;
import org.apache.lucene.analysis.miscellaneous.RemoveDuplicatesTokenFilter;
import org.apache.lucene.analysis.miscellaneous.TrimFilter;
import org.apache.lucene.analysis.ngram.EdgeNGramTokenFilter;
import org.apache.lucene.analysis.ngram.EdgeNGramTokenizer;
import org.apache.lucene.analysis.ngram.NGramTokenFilter;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.index.analysis.AbstractIndexAnalyzerProvider;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.AnalyzerProvider;
import org.elasticsearch.index.analysis.NormalizingTokenFilterFactory;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

/**
 * The analysers of a full server that Groot's mappings name, under the same names and settings. The module that has
 * them there is not published as a jar of its own; Lucene's classes behind it are.
 */
public final class AnalysisCommon extends Plugin implements AnalysisPlugin {

    @Override
    public Map<String, AnalysisProvider<AnalyzerProvider<? extends Analyzer>>> getAnalyzers() {
        return Map.of("english", (index, environment, name, settings) -> new English(name, settings));
    }

    @Override
    public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
        return Map.of(
            "whitespace", (index, environment, name, settings) -> TokenizerFactory.newFactory(name, WhitespaceTokenizer::new),
            "edge_ngram", (index, environment, name, settings) -> {
                int min = settings.getAsInt("min_gram", 1);
                int max = settings.getAsInt("max_gram", 2);
                return TokenizerFactory.newFactory(name, () -> new EdgeNGramTokenizer(min, max));
            }
        );
    }

    @Override
    public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        return Map.of(
            "lowercase", (index, environment, name, settings) -> normalizing(name, LowerCaseFilter::new),
            "asciifolding", (index, environment, name, settings) -> {
                boolean keep = settings.getAsBoolean("preserve_original", false);
                return normalizing(name, in -> new ASCIIFoldingFilter(in, keep));
            },
            "trim", (index, environment, name, settings) -> normalizing(name, TrimFilter::new),
            "porter_stem", (index, environment, name, settings) -> filter(name, PorterStemFilter::new),
            "stemmer", (index, environment, name, settings) -> stemmer(name, settings.get("language", "porter")),
            "remove_duplicates", (index, environment, name, settings) -> filter(name, RemoveDuplicatesTokenFilter::new),
            "edge_ngram", (index, environment, name, settings) -> {
                int min = settings.getAsInt("min_gram", 1);
                int max = settings.getAsInt("max_gram", 2);
                boolean keep = settings.getAsBoolean("preserve_original", false);
                return filter(name, in -> new EdgeNGramTokenFilter(in, min, max, keep));
            },
            "ngram", (index, environment, name, settings) -> {
                int min = settings.getAsInt("min_gram", 1);
                int max = settings.getAsInt("max_gram", 2);
                boolean keep = settings.getAsBoolean("preserve_original", false);
                return filter(name, in -> new NGramTokenFilter(in, min, max, keep));
            }
        );
    }

    private static TokenFilterFactory stemmer(String name, String language) {
        return switch (language) {
            case "english", "porter" -> filter(name, PorterStemFilter::new);
            case "possessive_english" -> filter(name, EnglishPossessiveFilter::new);
            default -> throw new IllegalArgumentException(
                "the local server stems english, porter and possessive_english, not " + language
            );
        };
    }

    private static TokenFilterFactory filter(String name, Function<TokenStream, TokenStream> make) {
        return new AbstractTokenFilterFactory(name, Settings.EMPTY) {
            @Override
            public TokenStream create(TokenStream in) {
                return make.apply(in);
            }
        };
    }

    /** A filter that may stand in a normalizer of a keyword field as well. */
    private static TokenFilterFactory normalizing(String name, Function<TokenStream, TokenStream> make) {
        final class Normalizing extends AbstractTokenFilterFactory implements NormalizingTokenFilterFactory {
            Normalizing() {
                super(name, Settings.EMPTY);
            }

            @Override
            public TokenStream create(TokenStream in) {
                return make.apply(in);
            }
        }
        return new Normalizing();
    }

    private static final class English extends AbstractIndexAnalyzerProvider<EnglishAnalyzer> {
        private final EnglishAnalyzer analyzer = new EnglishAnalyzer();

        English(String name, Settings settings) {
            super(name, settings);
        }

        @Override
        public EnglishAnalyzer get() {
            return analyzer;
        }
    }
}
