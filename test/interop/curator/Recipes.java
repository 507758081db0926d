import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;
import org.apache.zookeeper.CreateMode;

/** Recipes HOSTS SCENARIO: what Curator does on a server. Ends with status 0 if all was right. */
public class Recipes {
    static final int WAIT_SECONDS = 30;

    static String hosts;

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static CuratorFramework connected() throws Exception {
        CuratorFramework client =
                CuratorFrameworkFactory.newClient(hosts, 20000, 10000, new RetryForever(100));
        client.start();
        check(client.blockUntilConnected(WAIT_SECONDS, TimeUnit.SECONDS), "connected");
        return client;
    }

    static void operations() throws Exception {
        CuratorFramework client = connected();
        String path = client.create().creatingParentContainersIfNeeded().withProtection()
                .withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/ops/deep/n-", "x".getBytes());
        check(path.matches("/ops/deep/_c_[0-9a-f-]{36}-n-0000000000"), path);
        check(client.checkExists().forPath("/ops").getEphemeralOwner() == 0, "a container");
        client.setData().withVersion(0).forPath(path, "y".getBytes());
        check(Arrays.equals(client.getData().forPath(path), "y".getBytes()), "data");
        List<CuratorTransactionResult> results = client.transaction().forOperations(
                client.transactionOp().create().forPath("/ops/a", new byte[0]),
                client.transactionOp().setData().forPath("/ops/a", "1".getBytes()),
                client.transactionOp().check().withVersion(1).forPath("/ops/a"),
                client.transactionOp().delete().forPath("/ops/a"));
        check(results.size() == 4 && results.get(1).getResultStat().getVersion() == 1, "results");
        client.delete().guaranteed().deletingChildrenIfNeeded().forPath("/ops");
        check(client.checkExists().forPath("/ops") == null, "deleted");
        client.close();
    }

    static void mutex() throws Exception {
        CuratorFramework first = connected();
        CuratorFramework second = connected();
        InterProcessMutex mine = new InterProcessMutex(first, "/mutex");
        InterProcessMutex theirs = new InterProcessMutex(second, "/mutex");
        mine.acquire();
        mine.acquire();
        check(!theirs.acquire(300, TimeUnit.MILLISECONDS), "kept out");
        mine.release();
        check(!theirs.acquire(300, TimeUnit.MILLISECONDS), "still kept out");
        check(mine.getParticipantNodes().size() == 1, "nothing left of attempts");
        mine.release();
        check(theirs.acquire(WAIT_SECONDS, TimeUnit.SECONDS), "let in");
        // The holder goes without a word of it: its ephemeral node goes with the session.
        second.close();
        check(mine.acquire(WAIT_SECONDS, TimeUnit.SECONDS), "let in after the session ended");
        first.close();
    }

    static void readWriteLock() throws Exception {
        CuratorFramework first = connected();
        CuratorFramework second = connected();
        InterProcessReadWriteLock mine = new InterProcessReadWriteLock(first, "/read-write");
        InterProcessReadWriteLock theirs = new InterProcessReadWriteLock(second, "/read-write");
        mine.readLock().acquire();
        check(theirs.readLock().acquire(WAIT_SECONDS, TimeUnit.SECONDS), "two readers");
        theirs.readLock().release();
        check(!theirs.writeLock().acquire(300, TimeUnit.MILLISECONDS), "no writer yet");
        mine.readLock().release();
        check(theirs.writeLock().acquire(WAIT_SECONDS, TimeUnit.SECONDS), "a writer");
        check(!mine.readLock().acquire(300, TimeUnit.MILLISECONDS), "no reader now");
        first.close();
        second.close();
    }

    static void semaphore() throws Exception {
        CuratorFramework client = connected();
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, "/semaphore", 2);
        Lease one = semaphore.acquire();
        Lease two = semaphore.acquire();
        check(semaphore.acquire(300, TimeUnit.MILLISECONDS) == null, "two are all");
        semaphore.returnLease(one);
        check(semaphore.acquire(WAIT_SECONDS, TimeUnit.SECONDS) != null, "one came back");
        semaphore.returnLease(two);
        client.close();
    }

    static void leaderLatch() throws Exception {
        List<CuratorFramework> clients = new ArrayList<>();
        List<LeaderLatch> latches = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            clients.add(connected());
            latches.add(new LeaderLatch(clients.get(i), "/latch", "candidate" + i));
            latches.get(i).start();
            if (i == 0) check(latches.get(0).await(WAIT_SECONDS, TimeUnit.SECONDS), "a leader");
        }
        check(latches.get(2).getLeader().getId().equals("candidate0"), "known to all");
        clients.get(0).close();
        while (!latches.get(1).hasLeadership() && !latches.get(2).hasLeadership()) Thread.sleep(10);
        check(latches.get(1).hasLeadership() != latches.get(2).hasLeadership(), "one leader");
        for (CuratorFramework client : clients) client.close();
    }

    static void values() throws Exception {
        CuratorFramework client = connected();
        DistributedAtomicLong number =
                new DistributedAtomicLong(client, "/number", new RetryForever(10));
        for (int i = 0; i < 20; i++) check(number.increment().succeeded(), "incremented");
        check(number.get().postValue() == 20, "counted");
        SharedCount count = new SharedCount(client, "/count", 7);
        count.start();
        check(count.getCount() == 7, "the first value");
        check(count.trySetCount(count.getVersionedValue(), 8), "set");
        DistributedBarrier barrier = new DistributedBarrier(client, "/barrier");
        barrier.setBarrier();
        check(!barrier.waitOnBarrier(200, TimeUnit.MILLISECONDS), "closed");
        barrier.removeBarrier();
        check(barrier.waitOnBarrier(WAIT_SECONDS, TimeUnit.SECONDS), "open");
        client.close();
    }

    static void cache() throws Exception {
        CuratorFramework client = connected();
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        client.create().forPath("/cached", "0".getBytes());
        CuratorCache cache = CuratorCache.build(client, "/cached");
        cache.listenable().addListener(CuratorCacheListener.builder()
                .forCreates(node -> seen.add("created " + node.getPath()))
                .forChanges((before, now) -> seen.add("changed " + now.getPath()))
                .forDeletes(node -> seen.add("deleted " + node.getPath()))
                .forInitialized(() -> seen.add("initialized"))
                .build());
        cache.start();
        List<String> got = new ArrayList<>();
        await(seen, got, "initialized");
        client.create().forPath("/cached/a");
        await(seen, got, "created /cached/a");
        client.setData().forPath("/cached/a", "1".getBytes());
        await(seen, got, "changed /cached/a");
        client.delete().forPath("/cached/a");
        await(seen, got, "deleted /cached/a");
        check(cache.size() == 1, "one node is left: " + got);
        cache.close();
        client.close();
    }

    static void await(BlockingQueue<String> seen, List<String> got, String wanted)
            throws InterruptedException {
        while (!got.contains(wanted)) {
            String next = seen.poll(WAIT_SECONDS, TimeUnit.SECONDS);
            check(next != null, wanted + " did not come after " + got);
            got.add(next);
        }
    }

    /** Says what is to be done to the server. */
    static void reconnect() throws Exception {
        CuratorFramework client = connected();
        BlockingQueue<String> states = new LinkedBlockingQueue<>();
        client.getConnectionStateListenable().addListener((c, state) -> states.add(state.name()));
        PersistentNode node = new PersistentNode(
                client, CreateMode.EPHEMERAL, false, "/present", "here".getBytes());
        node.start();
        check(node.waitForInitialCreate(WAIT_SECONDS, TimeUnit.SECONDS), "present");
        InterProcessMutex mutex = new InterProcessMutex(client, "/held-through");
        mutex.acquire();
        long session = client.getZookeeperClient().getZooKeeper().getSessionId();
        System.out.println("kill the server");
        List<String> got = new ArrayList<>();
        await(states, got, ConnectionState.SUSPENDED.name());
        System.out.println("start the server");
        await(states, got, ConnectionState.RECONNECTED.name());
        check(!got.contains(ConnectionState.LOST.name()), "not lost: " + got);
        check(client.getZookeeperClient().getZooKeeper().getSessionId() == session, "session");
        check(client.checkExists().forPath("/present").getEphemeralOwner() == session, "owner");
        check(mutex.isAcquiredInThisProcess(), "held");
        CuratorFramework other = connected();
        InterProcessMutex theirs = new InterProcessMutex(other, "/held-through");
        check(!theirs.acquire(300, TimeUnit.MILLISECONDS), "kept out");
        mutex.release();
        check(theirs.acquire(WAIT_SECONDS, TimeUnit.SECONDS), "let in");
        other.close();
        client.close();
    }

    public static void main(String[] args) throws Exception {
        hosts = args[0];
        Recipes.class.getDeclaredMethod(args[1]).invoke(null);
        System.out.println("done");
        System.exit(0);
    }
}
