import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.RetryOneTime;

/** Contender HOSTS LOCK ROOM ROUNDS: two threads enter a room under Curator's lock, or one stays. */
public class Contender {
    /** Shows where in the queue it stands. */
    static class Mutex extends InterProcessMutex {
        Mutex(CuratorFramework client, String path) {
            super(client, path);
        }

        String sequence() {
            String path = getLockPath();
            return path.substring(path.length() - 10);
        }
    }

    static void enter(Mutex mutex, Path room) throws Exception {
        // Fails if somebody is inside.
        Files.createFile(room.resolve("inside"));
        String line = "curator " + mutex.sequence() + "\n";
        Files.write(room.resolve("journal"), line.getBytes(StandardCharsets.UTF_8),
                StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    static void contend(CuratorFramework client, String lock, Path room, int rounds)
            throws Exception {
        Mutex mutex = new Mutex(client, lock);
        for (int round = 0; round < rounds; round++) {
            mutex.acquire();
            try {
                enter(mutex, room);
                Thread.sleep(2);
                Files.delete(room.resolve("inside"));
            } finally {
                mutex.release();
            }
        }
    }

    public static void main(String[] args) throws Exception {
        Path room = Path.of(args[2]);
        int rounds = Integer.parseInt(args[3]);
        CuratorFramework client =
                CuratorFrameworkFactory.newClient(args[0], 4000, 4000, new RetryOneTime(100));
        client.start();
        client.blockUntilConnected();
        System.out.println("ready");
        System.in.read();
        if (rounds == 0) {
            Mutex mutex = new Mutex(client, args[1]);
            mutex.acquire();
            System.out.println("holding");
            Thread.sleep(Long.MAX_VALUE);
        }
        List<Thread> threads = new ArrayList<>();
        int[] failures = {0};
        for (int i = 0; i < 2; i++) {
            Thread thread = new Thread(() -> {
                try {
                    contend(client, args[1], room, rounds);
                } catch (Exception e) {
                    e.printStackTrace();
                    failures[0]++;
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) thread.join();
        client.close();
        System.out.println("done");
        System.exit(failures[0]);
    }
}
