package groot.local.elasticsearch;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** Starts one Elasticsearch node from jars, without the scripts, keystore and native checks of a full distribution. */
public final class Launcher {
    private Launcher() {}

    public static void main(String[] args) throws Exception {
        LogConfigurator.setNodeName("local");
        LogConfigurator.configureESLogging();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(
            Settings.builder().put("path.home", System.getProperty("es.path.home")).build(),
            Map.of(),
            Path.of(System.getProperty("es.path.conf")),
            () -> "local"
        );
        LogConfigurator.configure(environment, true);
        Node node = new Node(
            environment,
            PluginsLoader.createPluginsLoader(
                PluginsLoader.loadModulesBundles(environment.modulesDir()),
                PluginsLoader.loadPluginsBundles(environment.pluginsDir()),
                Map.of(),
                false
            )
        );
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (java.io.IOException cause) {
                System.err.println("closing failed: " + cause);
            }
            ended.countDown();
        }, "close"));
        node.start();
        ended.await();
    }
}
