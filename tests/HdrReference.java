/* SPDX-License-Identifier: Apache-2.0
 *
 * HdrReference: what HdrHistogram itself makes of the values that tests/test_histogram.c wrote, for
 * that test to compare. Arguments: pairs of a file of values (microseconds, one a line) and a
 * divisor; for each pair FILE.hgrm gets its percentile distribution.
 */
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Paths;
import org.HdrHistogram.Histogram;

public class HdrReference {
    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            Histogram histogram = new Histogram(1, 3600000000L, 3);
            for (String line : Files.readAllLines(Paths.get(arguments[i])))
                histogram.recordValue(Long.parseLong(line));
            try (PrintStream out = new PrintStream(arguments[i] + ".hgrm", "UTF-8")) {
                histogram.outputPercentileDistribution(out, 5, Double.valueOf(arguments[i + 1]));
            }
        }
    }
}
