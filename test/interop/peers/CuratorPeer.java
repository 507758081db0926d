import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.PromotedToLock;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.leader.Participant;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.locks.Revoker;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;

/**
 * CuratorPeer HOSTS: does with Curator's recipes what it is told, a line for each order.
 *
 * {@code NAME new KIND PATH ARGS...} makes an object, {@code NAME VERB ARGS...} uses it. Orders to one
 * name run in one thread, in their order, those to different names at the same time. Each is
 * answered with {@code NAME ok RESULT} or {@code NAME error MESSAGE}.
 */
public class CuratorPeer {
    /** What an object can be told. */
    interface Part {
        Object does(String verb, String[] args) throws Exception;
    }

    static CuratorFramework client;

    static Part make(String kind, String path, String[] args) throws Exception {
        switch (kind) {
            case "mutex":
                return mutex(path);
            case "read":
                return lock(new InterProcessReadWriteLock(client, path).readLock());
            case "write":
                return lock(new InterProcessReadWriteLock(client, path).writeLock());
            case "readwrite":
                return downgrading(new InterProcessReadWriteLock(client, path));
            case "semaphore":
                return semaphore(new InterProcessSemaphoreV2(client, path, number(args[0])));
            case "latch":
                return latch(new LeaderLatch(client, path, args[0]));
            case "selector":
                return selector(path, args[0]);
            case "barrier":
                return barrier(new DistributedBarrier(client, path));
            case "double":
                return doubleBarrier(
                        new DistributedDoubleBarrier(client, path, number(args[0])));
            case "group":
                return group(new GroupMember(client, path, args[0], bytes(args[1])));
            case "long":
                return atomicLong(new DistributedAtomicLong(client, path, new RetryForever(10)));
            case "promotedlong":
                return atomicLong(new DistributedAtomicLong(client, path, new RetryForever(10),
                        PromotedToLock.builder().lockPath(path).build()));
            case "count":
                return count(new SharedCount(client, path, number(args[0])));
            case "value":
                return value(new SharedValue(client, path, bytes(args[0])));
            case "simplequeue":
                return simpleQueue(new SimpleDistributedQueue(client, path));
            default:
                return queue(kind, path, args.length > 0 ? args[0] : null);
        }
    }

    static Part mutex(String path) {
        InterProcessMutex mutex = new InterProcessMutex(client, path);
        BlockingQueue<String> revoked = new LinkedBlockingQueue<>();
        Part plain = lock(mutex);
        return (verb, args) -> {
            switch (verb) {
                case "revocable":
                    mutex.makeRevocable(lock -> revoked.add("revoked"));
                    return "";
                case "revoked":
                    return revoked.poll(number(args[0]), TimeUnit.MILLISECONDS);
                case "revoke":
                    Collection<String> nodes = mutex.getParticipantNodes();
                    Revoker.attemptRevoke(client, nodes.iterator().next());
                    return "";
                default:
                    return plain.does(verb, args);
            }
        };
    }

    static Part lock(InterProcessLock lock) {
        return (verb, args) -> {
            if (verb.equals("acquire")) {
                return lock.acquire(number(args[0]), TimeUnit.MILLISECONDS);
            }
            lock.release();
            return "";
        };
    }

    static Part downgrading(InterProcessReadWriteLock lock) {
        return (verb, args) -> {
            switch (verb) {
                case "write":
                    return lock.writeLock().acquire(number(args[0]), TimeUnit.MILLISECONDS);
                case "read":
                    return lock.readLock().acquire(number(args[0]), TimeUnit.MILLISECONDS);
                case "unwrite":
                    lock.writeLock().release();
                    return "";
                default:
                    lock.readLock().release();
                    return "";
            }
        };
    }

    static Part semaphore(InterProcessSemaphoreV2 semaphore) {
        Collection<Lease>[] held = new Collection[1];
        return (verb, args) -> {
            if (verb.equals("acquire")) {
                held[0] = semaphore.acquire(number(args[1]), number(args[0]), TimeUnit.MILLISECONDS);
                return held[0] != null;
            }
            semaphore.returnAll(held[0]);
            return "";
        };
    }

    static Part latch(LeaderLatch latch) {
        return (verb, args) -> {
            switch (verb) {
                case "start":
                    latch.start();
                    return "";
                case "await":
                    return latch.await(number(args[0]), TimeUnit.MILLISECONDS);
                case "has":
                    return latch.hasLeadership();
                case "leader":
                    return latch.getLeader().getId();
                case "ids":
                    return latch.getParticipants().stream().map(Participant::getId)
                            .collect(Collectors.joining(","));
                default:
                    latch.close();
                    return "";
            }
        };
    }

    static Part selector(String path, String id) {
        CountDownLatch yielded = new CountDownLatch(1);
        LeaderSelector selector =
                new LeaderSelector(client, path, new LeaderSelectorListenerAdapter() {
                    @Override
                    public void takeLeadership(CuratorFramework client) throws Exception {
                        yielded.await();
                    }
                });
        selector.setId(id);
        return (verb, args) -> {
            switch (verb) {
                case "start":
                    selector.start();
                    return "";
                case "has":
                    return selector.hasLeadership();
                case "leader":
                    return selector.getLeader().getId();
                case "yield":
                    yielded.countDown();
                    return "";
                default:
                    selector.close();
                    return "";
            }
        };
    }

    static Part barrier(DistributedBarrier barrier) {
        return (verb, args) -> {
            switch (verb) {
                case "set":
                    barrier.setBarrier();
                    return "";
                case "wait":
                    return barrier.waitOnBarrier(number(args[0]), TimeUnit.MILLISECONDS);
                default:
                    barrier.removeBarrier();
                    return "";
            }
        };
    }

    static Part doubleBarrier(DistributedDoubleBarrier barrier) {
        return (verb, args) -> verb.equals("enter")
                ? barrier.enter(number(args[0]), TimeUnit.MILLISECONDS)
                : barrier.leave(number(args[0]), TimeUnit.MILLISECONDS);
    }

    static Part group(GroupMember member) {
        return (verb, args) -> {
            switch (verb) {
                case "start":
                    member.start();
                    return "";
                case "members":
                    Map<String, String> members = new TreeMap<>();
                    member.getCurrentMembers().forEach((id, data) -> members.put(id, text(data)));
                    return members.entrySet().stream().map(e -> e.getKey() + "=" + e.getValue())
                            .collect(Collectors.joining(","));
                default:
                    member.close();
                    return "";
            }
        };
    }

    static Part atomicLong(DistributedAtomicLong value) {
        return (verb, args) -> {
            AtomicValue<Long> result =
                    verb.equals("add") ? value.add(Long.parseLong(args[0])) : value.get();
            if (!result.succeeded()) throw new IllegalStateException("not succeeded");
            return result.postValue();
        };
    }

    static Part count(SharedCount count) throws Exception {
        count.start();
        return (verb, args) -> {
            switch (verb) {
                case "set":
                    count.setCount(number(args[0]));
                    return "";
                case "get":
                    return count.getCount();
                default:
                    count.close();
                    return "";
            }
        };
    }

    static Part value(SharedValue value) throws Exception {
        value.start();
        return (verb, args) -> {
            switch (verb) {
                case "set":
                    value.setValue(bytes(args[0]));
                    return "";
                case "get":
                    return text(value.getValue());
                default:
                    value.close();
                    return "";
            }
        };
    }

    static Part simpleQueue(SimpleDistributedQueue queue) {
        return (verb, args) -> {
            if (verb.equals("put")) return queue.offer(bytes(args[0]));
            byte[] item = queue.poll(number(args[0]), TimeUnit.MILLISECONDS);
            return item == null ? "" : text(item);
        };
    }

    static Part queue(String kind, String path, String lockPath) throws Exception {
        BlockingQueue<String> taken = new LinkedBlockingQueue<>();
        QueueConsumer<String> consumer = new QueueConsumer<String>() {
            @Override
            public void consumeMessage(String message) {
                taken.add(message);
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {}
        };
        QueueSerializer<String> serializer = new QueueSerializer<String>() {
            @Override
            public byte[] serialize(String item) {
                return bytes(item);
            }

            @Override
            public String deserialize(byte[] item) {
                return text(item);
            }
        };
        boolean produces = kind.startsWith("to-");
        QueueBuilder<String> builder =
                QueueBuilder.builder(client, produces ? null : consumer, serializer, path);
        if (lockPath != null) builder = builder.lockPath(lockPath);
        Part puts = puts(kind.replace("to-", ""), builder);
        return (verb, args) -> {
            if (verb.equals("take")) return taken.poll(number(args[0]), TimeUnit.MILLISECONDS);
            return puts.does(verb, args);
        };
    }

    static Part puts(String kind, QueueBuilder<String> builder) throws Exception {
        switch (kind) {
            case "queue": {
                DistributedQueue<String> queue = builder.buildQueue();
                queue.start();
                return (verb, args) -> {
                    if (verb.equals("put")) queue.put(args[0]);
                    else queue.close();
                    return "";
                };
            }
            case "priorityqueue": {
                DistributedPriorityQueue<String> queue = builder.buildPriorityQueue(0);
                queue.start();
                return (verb, args) -> {
                    if (verb.equals("put")) queue.put(args[0], number(args[1]));
                    else queue.close();
                    return "";
                };
            }
            case "delayqueue": {
                DistributedDelayQueue<String> queue = builder.buildDelayQueue();
                queue.start();
                return (verb, args) -> {
                    if (verb.equals("put")) queue.put(args[0], Long.parseLong(args[1]));
                    else queue.close();
                    return "";
                };
            }
            case "idqueue": {
                DistributedIdQueue<String> queue = builder.buildIdQueue();
                queue.start();
                return (verb, args) -> {
                    if (verb.equals("put")) queue.put(args[0], args[1]);
                    else queue.close();
                    return "";
                };
            }
            default:
                throw new IllegalArgumentException("no kind " + kind);
        }
    }

    static int number(String text) {
        return Integer.parseInt(text);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static synchronized void answer(String line) {
        System.out.println(line);
    }

    public static void main(String[] arguments) throws Exception {
        client = CuratorFrameworkFactory.newClient(arguments[0], 4000, 4000, new RetryForever(50));
        client.start();
        client.blockUntilConnected();
        answer("ready");
        Map<String, ExecutorService> threads = new HashMap<>();
        Map<String, Part> parts = new HashMap<>();
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
        for (String line = orders.readLine(); line != null; line = orders.readLine()) {
            String[] words = line.split(" ");
            String name = words[0];
            threads.computeIfAbsent(name, n -> Executors.newSingleThreadExecutor()).execute(() -> {
                try {
                    Object result = "";
                    if (words[1].equals("new")) {
                        String[] args = java.util.Arrays.copyOfRange(words, 4, words.length);
                        Part part = make(words[2], words[3], args);
                        synchronized (parts) {
                            parts.put(name, part);
                        }
                    } else {
                        Part part;
                        synchronized (parts) {
                            part = parts.get(name);
                        }
                        String[] args = java.util.Arrays.copyOfRange(words, 2, words.length);
                        result = part.does(words[1], args);
                    }
                    answer(name + " ok " + result);
                } catch (Throwable error) {
                    answer(name + " error " + error);
                }
            });
        }
        client.close();
        System.exit(0);
    }
}
