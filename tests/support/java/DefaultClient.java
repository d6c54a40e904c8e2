// Calls a server with Java's HttpClient as it comes, which offers HTTP/2 with its first request on a connection:
// java DefaultClient.java URL KEY JPEG. Prints one line for each call: its name and the status.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class DefaultClient {
    public static void main(String[] arguments) throws Exception {
        String base = arguments[0] + "/api/gadget/v1/";
        String key = arguments[1];
        byte[] jpeg = Files.readAllBytes(Path.of(arguments[2]));
        call("invalid level", base + "createcontext", key, null,
            List.of("{\"WarningConfidenceLevel\": 9}".getBytes()));
        HttpResponse<String> opened = call("createcontext", base + "createcontext", key, null,
            List.of("{\"WarningConfidenceLevel\": 4}".getBytes()));
        Matcher context = Pattern.compile("\"ContextId\":\"([A-Za-z0-9]+)\"").matcher(opened.body());
        context.find();
        List<byte[]> form = new ArrayList<>();
        form.add(("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n").getBytes());
        form.add(jpeg);
        form.add("\r\n--b--\r\n".getBytes());
        call("process", base + "process/" + context.group(1), key, "multipart/form-data; boundary=b", form);
    }

    private static HttpResponse<String> call(
            String name, String url, String key, String type, List<byte[]> body) throws Exception {
        // A client for each call: only the first request on a connection makes the offer.
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).header("X-API-Key", key);
        if (type != null) {
            request.header("Content-Type", type);
        }
        HttpResponse<String> answer = HttpClient.newHttpClient().send(
            request.POST(BodyPublishers.ofByteArrays(body)).build(), BodyHandlers.ofString());
        System.out.println(name + ": " + answer.statusCode());
        return answer;
    }
}
