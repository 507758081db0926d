import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.RetryOneTime;

/**
 * HandOvers HOSTS LOCK CONTENDERS WARM_UP_MS MEASURED_MS: Curator clients that take one mutex in turn.
 * Prints how often it changed hands in the measured time.
 */
public class HandOvers {
    static void contend(String hosts, String lock, AtomicLong count) {
        CuratorFramework client =
                CuratorFrameworkFactory.newClient(hosts, 30000, 10000, new RetryOneTime(100));
        client.start();
        try {
            client.blockUntilConnected();
            InterProcessMutex mutex = new InterProcessMutex(client, lock);
            while (true) {
                mutex.acquire();
                count.incrementAndGet();
                mutex.release();
            }
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    public static void main(String[] args) throws Exception {
        AtomicLong count = new AtomicLong();
        for (int i = 0; i < Integer.parseInt(args[2]); i++) {
            new Thread(() -> contend(args[0], args[1], count)).start();
        }
        TimeUnit.MILLISECONDS.sleep(Long.parseLong(args[3]));
        long before = count.get();
        long startedNs = System.nanoTime();
        TimeUnit.MILLISECONDS.sleep(Long.parseLong(args[4]));
        double seconds = (System.nanoTime() - startedNs) / 1e9;
        System.out.println((count.get() - before) / seconds);
        System.exit(0);
    }
}
